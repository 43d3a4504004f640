"""Where a worker has its job's checkpoints, and when it may say that they are safe."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from holdfast.checkpoint import Tell
from holdfast.errors import Interrupted
from holdfast.pipeline.on_ray.wire import Wire
from holdfast.rundir import JobName, damage, parse_checkpoint, parse_result
from holdfast.storage.objects import Lent, is_url, lent
from holdfast.training import StopRequest

_LOOK = 0.2  # seconds between two looks at whether a stop is asked for


@contextmanager
def files_of(
    job: JobName, where: str, start: str, wire: Wire, stop: StopRequest
) -> Iterator[tuple[Path, Tell]]:
    """Give the directory of a job's checkpoints, and the way to tell what happens to it.

    On storage that all machines share, that is the run's own. At a URL it is a scratch directory of
    this machine, and nothing is told before the store has what it speaks of.

    Raises:
        StorageError: the store does not answer; or it stays away while a stop is asked for.
        SupersededError: the job was given to another worker.
    """
    if not is_url(where):
        yield Path(where), wire.tell
        return

    def ours(name: str) -> bool:
        path = Path(name)
        file, result = parse_checkpoint(path), parse_result(path)
        return job in (file.job if file else None, result)

    with lent(
        *(where, start, str(job)), ours=ours, ask=wire.ask, damage=damage, on_notice=wire.notice
    ) as files:
        later = Later(wire.tell, files)
        try:
            yield files.directory, later.tell
            later.flush(stop)
        except Interrupted:
            later.flush(stop)
            raise
        finally:
            later.close()


class Later:
    """Tells things in their order, each as soon as the store has what was written before it.

    Training does not wait for that, nor for a store that stays away.
    """

    def __init__(self, tell: Tell, files: Lent) -> None:
        self._tell, self._files = tell, files
        self._queue: deque[tuple[set[str], str, tuple[Any, ...]]] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._fault: BaseException | None = None
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def tell(self, event: str, told: tuple[Any, ...]) -> None:
        """Take note of something to be told; raise what went wrong with earlier things."""
        self._check()
        with self._changed:
            self._queue.append((self._files.lacks(), event, told))
            self._changed.notify_all()

    def flush(self, stop: StopRequest) -> None:
        """Wait until all is in the store and told; after a request to stop, not for ever.

        Raises:
            StorageError: a stop is asked for, and the store stays away.
        """
        while self._queue:
            self._check()
            self._files.check()
            if stop.signal is not None:
                self._files.drain()
            with self._changed:
                self._changed.wait(_LOOK)
        self._files.drain()
        self._check()

    def close(self) -> None:
        """Tell nothing more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _check(self) -> None:
        if self._fault is not None:
            raise self._fault

    def _work(self) -> None:
        try:
            while (first := self._next()) is not None:
                names, event, told = first
                self._files.wait_for(names)
                self._tell(event, told)
                with self._changed:
                    self._queue.popleft()
                    self._changed.notify_all()
        except BaseException as error:  # raised by whoever tells or flushes next
            self._fault = error
            raise

    def _next(self) -> tuple[set[str], str, tuple[Any, ...]] | None:
        with self._changed:
            while not (self._queue or self._closed):
                self._changed.wait()
            return None if self._closed else self._queue[0]
