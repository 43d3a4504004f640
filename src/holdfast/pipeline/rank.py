"""A process that is one rank of a job, and its line to the process that has started it."""

import os
import pickle
import queue
import threading
from multiprocessing.connection import Connection
from typing import Any

import torch.distributed as dist

from holdfast.pipeline.group import Order, joined, train_together
from holdfast.rundir import Result
from holdfast.training import (
    Progress,
    StopRequest,
    trace,
    use_deterministic_kernels,
)

STOP = "stop"
PROGRESS, NOTICE, ASK = "progress", "notice", "ask"
ENDED, FAULT = "ended", "fault"


class Line:
    """A rank's end of the line; it ends with the process at the other end."""

    def __init__(self, connection: "Connection[Any, Any]", stop: StopRequest) -> None:
        self._connection, self._stop = connection, stop
        self._talking = threading.Lock()
        self._answers: queue.SimpleQueue[None] = queue.SimpleQueue()
        threading.Thread(target=self._listen, daemon=True).start()

    def tell(self, event: str, told: tuple[Any, ...]) -> None:
        """Tell something, and wait until it has been written down."""
        with self._talking:
            self._connection.send((event, told))
            self._answers.get()

    def ask(self) -> None:
        """Return as soon as this job may still write."""
        self.tell(ASK, ())

    def show(self, progress: Progress) -> None:
        """Tell how far the job is."""
        self.tell(PROGRESS, (progress,))

    def notice(self, line: str) -> None:
        """Tell what a person should know."""
        self.tell(NOTICE, (line,))

    def _listen(self) -> None:
        while True:
            try:
                word, told = self._connection.recv()
            except (EOFError, OSError):
                os._exit(1)  # nobody holds the directory's lock any more: write nothing more
            if word == STOP:
                self._stop.signal = self._stop.signal or told
            else:
                self._answers.put(None)


def be_rank(rank: int, order: Order, port: int, connection: "Connection[Any, Any]") -> None:
    """Be one rank of a job; what comes of it is told, and nothing printed.

    The ranks find each other at a ``port`` of this machine.
    """
    stop = StopRequest()
    line = Line(connection, stop)
    try:
        with stop.listening():
            result = _train(rank, order, port, line, stop)
    except BaseException as error:  # noqa: BLE001 - told to who started us
        line.tell(FAULT, (_portable(error),))
        raise SystemExit(1) from None
    line.tell(ENDED, (result,))


def _train(rank: int, order: Order, port: int, line: Line, stop: StopRequest) -> Result:
    if rank > 0:
        trace.tracer = None  # what is proved is what the first rank does
    os.environ.update(order.environment)  # of now: what we are forked from may be older
    use_deterministic_kernels()
    machine, store = order.task.machine, dist.TCPStore("127.0.0.1", port, is_master=False)
    jobs = order.jobs(line.tell, line.ask, line.show, line.notice, stop)
    with joined(machine, rank, store) as ranks:
        return train_together(jobs, order.task, ranks, stop, lambda *_: None)


def _portable(error: BaseException) -> BaseException:
    """Return ``error``, or where it cannot be sent, one that can and says the same."""
    try:
        pickle.loads(pickle.dumps(error))
    except (pickle.PicklingError, TypeError, AttributeError):
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
