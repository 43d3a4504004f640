"""A worker's end of the mailbox: for one attempt at one job."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ray import ObjectRef
from ray.exceptions import RayActorError

from holdfast.errors import SupersededError
from holdfast.pipeline.on_ray.mailbox import Handle
from holdfast.rundir import JobName
from holdfast.training import Progress, StopRequest


def answer(ref: "ObjectRef[Any]") -> Any:
    """Wait for what the mailbox answers, keeping the job's CPU: `ray.get` would lend it out."""
    return ref.future().result()


class Wire:
    """Tells the driver what one attempt does, and asks whether it still may."""

    def __init__(self, mailbox: Handle, job: JobName, attempt: int) -> None:
        self._mailbox, self._job, self._attempt = mailbox, job, attempt

    def tell(self, event: str, told: tuple[Any, ...]) -> None:
        """Send an event and wait until it has arrived.

        Raises:
            SupersededError: the job was given to another worker.
        """
        self._insist(answer(self._mailbox.tell.remote(self._job, self._attempt, event, told)))

    def ask(self) -> None:
        """Return if this attempt may still write; what does not hear from the driver waits.

        Raises:
            SupersededError: the job was given to another worker.
        """
        self._insist(answer(self._mailbox.is_newest.remote(self._job, self._attempt)))

    def show(self, progress: Progress) -> None:
        """Send how far the job is; nobody waits for that to arrive."""
        self._mailbox.tell.remote(self._job, self._attempt, "progress", (progress,))

    def notice(self, line: str) -> None:
        """Send what a person should know."""
        self._mailbox.tell.remote(self._job, self._attempt, "notice", (line,))

    def _insist(self, accepted: bool) -> None:
        if not accepted:
            raise SupersededError(f"{self._job}: another worker trains it now; nothing to do")


@contextmanager
def obeying(mailbox: Handle) -> Iterator[StopRequest]:
    """Yield what is told as soon as the driver asks for a stop, or a signal does."""
    stop = StopRequest()
    key = mailbox._actor_id.hex()
    if key not in _listeners:
        _listeners[key] = _Listener(mailbox)
    listener = _listeners[key]
    listener.tell(stop)
    with stop.listening():
        try:
            yield stop
        finally:
            listener.tell(None)


class _Listener:
    """One thread for each process and driver, however many jobs it trains."""

    def __init__(self, mailbox: Handle) -> None:
        self._stop: StopRequest | None = None
        self._heard: int | None = None
        self._lock = threading.Lock()
        threading.Thread(target=self._listen, args=(mailbox,), daemon=True).start()

    def tell(self, stop: StopRequest | None) -> None:
        """Pass on to ``stop`` what is heard from now on, or has been."""
        with self._lock:
            self._stop = stop
            self._pass_on()

    def _listen(self, mailbox: Handle) -> None:
        try:
            heard: int = answer(mailbox.stopped.remote())
        except RayActorError:  # the driver has died, and what is trained here is for nobody
            heard = signal.SIGTERM
        with self._lock:
            self._heard = heard
            self._pass_on()

    def _pass_on(self) -> None:
        if self._stop is not None and self._heard is not None and self._stop.signal is None:
            self._stop.signal = self._heard


_listeners: dict[str, _Listener] = {}
