"""A job on several ranks, seen by the process that has the run: it starts them, ends them all
when one dies, and starts them again.

torch's elastic launcher is not used for it. It takes the signals for itself and ends its workers
by them, where a job saves first; it counts restarts whether or not they get a job further; and it
has no line on which the first rank tells what to write down.
"""

import multiprocessing
import os
import signal
import socket
import time
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import Any, Self

import torch.distributed as dist

from holdfast.checkpoint import write_down
from holdfast.errors import HoldfastError, Interrupted, RanksDiedError
from holdfast.pipeline.group import Order
from holdfast.pipeline.job import OnEntered, Task
from holdfast.pipeline.rank import ASK, ENDED, FAULT, NOTICE, PROGRESS, STOP, be_rank
from holdfast.rundir import DEATHS, Position, Result
from holdfast.training import Jobs, trace

_GRACE = 10.0  # seconds for the others to commit what they are writing, once one has died
_MOMENT = 0.5  # the same before they have begun to train: who waits for the dead waits for ever
_OWN = (HoldfastError, Interrupted)
_PERIOD = 0.1  # seconds between two looks at whether a stop was asked for


class _RankDiedError(Exception):
    """A rank has ended without a word; its message says which, and how."""


def run_on_ranks(jobs: Jobs, task: Task, on_entered: OnEntered) -> Result:
    """Train a job on the machine's ranks, from its newest good checkpoint after each death.

    Raises:
        Interrupted: a signal asked for a stop; the state has been saved.
        RanksDiedError: ranks died, several times in a row without getting the job further.
        StorageError: the disk refused; the last checkpoint stands.
    """
    died, before = 0, _newest(jobs, task)
    while True:
        try:
            with _Attempt(jobs, task, on_entered) as attempt:
                return attempt.result()
        except _RankDiedError as death:
            if trace.tracer is not None:  # what is killed under `holdfast prove` is the run
                os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
            now = _newest(jobs, task)
            if jobs.stop.signal is not None:
                where = f"{task.name}, {now or 'its start'}"
                jobs.ledger.interrupted(task.name, where)
                raise Interrupted(jobs.stop.signal, where) from None
            died, before = (died + 1 if now == before else 1), now
            what = f"{death} at {now or 'its start'}"
            if died == DEATHS:
                what = f"{what}, {died} times in a row (out of memory, or a crash in native code?)"
                jobs.ledger.failed(task.name, what)
                raise RanksDiedError(what) from None
            jobs.settings.on_notice(f"{task.name}: {what}; its ranks are started again")


def _newest(jobs: Jobs, task: Task) -> Position | None:
    files = jobs.store.newest_first(task.name)
    return files[0].position if files else None


class _Attempt:
    """One start of all ranks of a job; leaving it ends what is left of them."""

    def __init__(self, jobs: Jobs, task: Task, on_entered: OnEntered) -> None:
        self._jobs, self._task, self._on_entered = jobs, task, on_entered
        self._words: dict[int, tuple[str, Any]] = {}  # the last one of each rank, in order
        self._silent: list[int] = []  # those that have ended without one
        self._entered = self._told_to_stop = False
        self._failed = ""  # what the first rank said that its job failed of
        self._store = _meeting_place()
        self._lines: list[Connection[Any, Any]] = []
        self._processes: list[Any] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for process in self._processes:
            process.kill()
            process.join()
        for line in self._lines:
            line.close()

    def result(self) -> Result:
        """Start the ranks, do what they ask for until all have ended; return what came of it."""
        self._start()
        left: dict[Any, int] = {line: rank for rank, line in enumerate(self._lines)}
        patience = None
        while left and (patience is None or time.monotonic() < patience):
            for line in wait(list(left), _PERIOD):
                if not self._hear(left[line]):
                    del left[line]
            self._pass_on_stop()
            if patience is None and (self._words or self._silent):
                patience = time.monotonic() + (_GRACE if self._entered else _MOMENT)
        return self._outcome()

    def _start(self) -> None:
        order, python = Order.of(self._jobs, self._task), _python()
        for rank in range(self._task.machine.ranks):
            ours, theirs = python.Pipe()
            self._lines.append(ours)
            given = (rank, order, self._store.port, theirs)
            process = python.Process(target=be_rank, args=given, daemon=True)
            process.start()
            self._processes.append(process)
            theirs.close()

    def _hear(self, rank: int) -> bool:
        """Do what a rank asks for; return whether it may say more."""
        line = self._lines[rank]
        try:
            event, told = line.recv()
        except (EOFError, ConnectionResetError):
            if rank not in self._words:
                self._silent.append(rank)
            return False
        self._act(rank, event, told)
        with suppress(OSError):  # it has died since
            line.send(("", None))
        return True

    def _act(self, rank: int, event: str, told: tuple[Any, ...]) -> None:
        settings = self._jobs.settings
        if event in (ENDED, FAULT):
            self._words[rank] = (event, *told)
        elif event == "failed":
            self._failed = told[1]  # whether of that, is known when all have ended
        elif event == ASK:
            self._jobs.store.ask()
        elif event == NOTICE:
            settings.on_notice(*told)
        elif event == PROGRESS:
            if settings.on_progress is not None:
                settings.on_progress(*told)
        else:
            write_down(self._jobs.ledger, event, told)
            if event == "entered":
                self._entered = True
                self._on_entered(*told[:2])

    def _pass_on_stop(self) -> None:
        if not self._told_to_stop and self._jobs.stop.heard():
            self._told_to_stop = True
            for line in self._lines:
                with suppress(OSError):
                    line.send((STOP, self._jobs.stop.signal))

    def _outcome(self) -> Result:
        event, value = self._words.get(0, (FAULT, None))
        if event == ENDED:
            result: Result = value
            return result
        if self._silent:  # that the others failed is only a consequence
            raise _RankDiedError(self._obituary(self._silent[0]))
        faults = [(rank, error) for rank, (word, error) in self._words.items() if word == FAULT]
        # the first one's own fault, where they failed alike; else what made it lose the others
        alike = [fault for fault in faults if fault[0] == 0 and isinstance(fault[1], _OWN)]
        rank, error = (alike or faults)[0]
        if self._failed:
            of_another = f"rank {rank}: {type(error).__name__}: {error}"
            self._jobs.ledger.failed(self._task.name, of_another if rank else self._failed)
        raise error

    def _obituary(self, rank: int) -> str:
        process = self._processes[rank]
        process.join(_GRACE)
        code = process.exitcode
        names = {-number.value: number.name for number in signal.Signals}
        return f"rank {rank} died ({names.get(code or 0, f'exit code {code}')})"


def _python() -> Any:
    """Return what starts ranks: on Unix, one process that imports torch once for all of them."""
    # what torch says of `Group.learner`'s choice, every time, is known
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    python = multiprocessing.get_context("forkserver")
    python.set_forkserver_preload([be_rank.__module__])
    return python


def _meeting_place() -> dist.TCPStore:
    """Return where the ranks find each other, which nobody reaches from outside this machine."""
    door = socket.create_server(("127.0.0.1", 0))
    port = door.getsockname()[1]
    return dist.TCPStore(
        "127.0.0.1", port, is_master=True, wait_for_workers=False, master_listen_fd=door.detach()
    )
