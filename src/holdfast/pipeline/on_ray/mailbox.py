"""Where workers tell the driver what happens, and are told whether they still may write."""

import asyncio
from dataclasses import dataclass
from typing import Any

from holdfast.rundir import JobName

Handle = Any
"""A `Mailbox` as others have it: Ray's own types say nothing of what its methods return."""

_ENDS = {"completed", "failed"}


@dataclass(frozen=True)
class Message:
    """One thing that a job in training tells."""

    job: JobName
    event: str
    told: tuple[Any, ...]


class Mailbox:
    """An actor of Ray's beside the driver: it lives and dies with it.

    Each attempt at a job has a number, and only the newest may write or tell anything: a worker
    that was given up and still lives is refused (a fencing token, Kleppmann 2016, "How to do
    distributed locking"). A job ends once.
    """

    def __init__(self) -> None:
        self._attempts: dict[JobName, int] = {}
        self._withdrawn: dict[JobName, int] = {}
        self._ended: set[JobName] = set()
        self._messages: list[Message] = []
        self._arrived = asyncio.Event()
        self._stop: int | None = None
        self._stopped = asyncio.Event()

    async def begin(self, job: JobName, ticket: int, node: str) -> int | None:
        """Return the number of a new attempt; None where there is nothing to attempt any more.

        ``ticket`` is what the job was handed out under; see `withdraw`.
        """
        over = job in self._ended or self._stop is not None
        if over or ticket <= self._withdrawn.get(job, -1):
            return None
        self._attempts[job] = self._attempts.get(job, 0) + 1
        self._put(Message(job, "begun", (node,)))
        return self._attempts[job]

    async def withdraw(self, job: JobName, ticket: int) -> None:
        """Let nothing begin, write or tell any more that was handed out under this ticket."""
        self._withdrawn[job] = ticket
        self._attempts[job] = self._attempts.get(job, 0) + 1

    async def is_newest(self, job: JobName, attempt: int) -> bool:
        """Tell whether an attempt is still the one that may write; also to tidy up at its end."""
        return self._attempts.get(job) == attempt

    async def tell(self, job: JobName, attempt: int, event: str, told: tuple[Any, ...]) -> bool:
        """Take a message for the driver; False where it comes from an attempt that was given up."""
        if job in self._ended or not await self.is_newest(job, attempt):
            return False
        if event in _ENDS:
            self._ended.add(job)
        self._put(Message(job, event, told))
        return True

    async def take(self, seconds: float) -> list[Message]:
        """Return what has been told since the last call; waits for it no longer than that."""
        try:
            await asyncio.wait_for(self._arrived.wait(), seconds)
        except TimeoutError:
            return []
        taken, self._messages = self._messages, []
        self._arrived.clear()
        return taken

    async def give_up(self, job: JobName) -> None:
        """Let no attempt at a job begin, write or tell any more."""
        self._ended.add(job)
        self._attempts[job] = self._attempts.get(job, 0) + 1

    async def stop(self, number: int) -> None:
        """Ask every worker to save and stop, as a signal of this number would."""
        self._stop = number
        self._stopped.set()

    async def stopped(self) -> int:
        """Return the signal's number, as soon as a stop is asked for."""
        await self._stopped.wait()
        assert self._stop is not None
        return self._stop

    def _put(self, message: Message) -> None:
        self._messages.append(message)
        self._arrived.set()
