"""Following a run: one reader for all pages, which reads again only when files have changed."""

import threading
import time
from pathlib import Path

from holdfast.dashboard.reading import Reading, Stamp, read, stamps_of
from holdfast.errors import HoldfastError
from holdfast.status import who_trains
from holdfast.storage.objects import is_url, viewed

NEAR, FAR = 2.0, 30.0
"""Seconds between two looks: at a directory, and at a URL, where a look costs requests."""
_SHARE = 20
"""Times as long as a look computed, there is no other one: a training beside it hardly notices."""

_Seen = tuple[dict[str, Stamp], str | None]


class Watch:
    """The newest good reading of a run, and what has kept a newer one away."""

    def __init__(self, where: str) -> None:
        """Read the run for the first time.

        Raises:
            HoldfastError, OSError: it cannot be read.
        """
        self.is_remote = is_url(where)
        self.version = 0
        """Grows with each change of what there is to show."""
        self.trouble = ""
        """Why the newest look has led to no reading; empty where it has, or was not needed."""
        self._where = where
        self._seen: _Seen | None = None
        self._lock = threading.Lock()
        self._next = 0.0
        self.reading = self._read_anew()

    @property
    def is_due(self) -> bool:
        """Whether it is time to look again."""
        return time.monotonic() >= self._next

    def look(self) -> None:
        """Look whether the run has changed, and read it if so; takes time, raises nothing."""
        with self._lock:
            if not self.is_due:  # somebody else has looked meanwhile
                return
            began = time.thread_time()
            try:
                self._look()
                trouble = ""
            except HoldfastError as error:
                trouble = str(error)
            except OSError as error:
                trouble = f"{error.filename or self._where}: {error.strerror or error}"
            rest = max(FAR if self.is_remote else NEAR, _SHARE * (time.thread_time() - began))
            self._next = time.monotonic() + rest
            if trouble != self.trouble:
                self.trouble = trouble
                self.version += 1

    def _look(self) -> None:
        if not self.is_remote:
            directory = Path(self._where)
            seen = stamps_of(directory), who_trains(directory)
            if seen == self._seen and not self.trouble:
                return
        found = self._read_anew()
        if found.faults and found.known < self.reading.known:
            faults = "; ".join(f"{name} {reason}" for name, reason in found.faults.items())
            raise HoldfastError(faults)  # the reading before knew more than what is left
        self.reading = found
        self.version += 1

    def _read_anew(self) -> Reading:
        with viewed(self._where) as directory:
            if not self.is_remote:  # before it is read: what changes meanwhile is read again
                self._seen = stamps_of(directory), who_trains(directory)
            return read(directory)
