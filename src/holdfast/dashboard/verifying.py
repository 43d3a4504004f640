"""Verifying checkpoints beside the pages: one at a time, and never for most of the time."""

import threading
import time
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from holdfast.dashboard.reading import Stamp
from holdfast.errors import StorageError
from holdfast.rundir import fault

_REST = 4.0
"""Times as long as a file took, nothing is read: the disk is the training's."""
_LEAST_REST = 0.1
_MOST_WANTED = 100
_MOST_KNOWN = 10_000


@dataclass(frozen=True)
class Wanted:
    """A file to verify, as it was when somebody wanted to know."""

    path: Path
    stamp: Stamp
    run_id: str


class Verifier:
    """Says of files whether they are what was written; knows it some time after it is asked."""

    def __init__(self) -> None:
        self.count = 0
        """How many files it has read so far: a page that shows one looks again when it grows."""
        self._known: OrderedDict[tuple[Path, Stamp], str] = OrderedDict()
        self._wanted: OrderedDict[tuple[Path, Stamp], Wanted] = OrderedDict()
        self._changed = threading.Condition()
        self._stopped = False
        self._thread = threading.Thread(target=self._work, name="verifier", daemon=True)
        self._thread.start()

    def ask(self, files: Iterable[Wanted]) -> None:
        """Want to know of files, the last one first; what was wanted long ago is forgotten."""
        with self._changed:
            for wanted in files:
                key = wanted.path, wanted.stamp
                if key not in self._known:
                    self._wanted[key] = wanted
                    self._wanted.move_to_end(key)
            while len(self._wanted) > _MOST_WANTED:
                self._wanted.popitem(last=False)
            self._changed.notify()

    def said(self, path: Path, stamp: Stamp) -> str | None:
        """Return a file's fault, empty where it has none; None while it is not known."""
        with self._changed:
            return self._known.get((path, stamp))

    def stop(self) -> None:
        """Read no further file."""
        with self._changed:
            self._stopped = True
            self._changed.notify()

    def _work(self) -> None:
        while (wanted := self._next()) is not None:
            began = time.monotonic()
            said = _judge(wanted)
            took = time.monotonic() - began
            with self._changed:
                self._known[wanted.path, wanted.stamp] = said
                while len(self._known) > _MOST_KNOWN:
                    self._known.popitem(last=False)
                self.count += 1
                self._changed.wait_for(lambda: self._stopped, max(_REST * took, _LEAST_REST))

    def _next(self) -> Wanted | None:
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or self._wanted)
            return None if self._stopped else self._wanted.popitem()[1]


def _judge(wanted: Wanted) -> str:
    try:
        return fault(wanted.path, wanted.run_id) or ""
    except StorageError as error:
        return f"cannot be read now: {error}"
    except OSError as error:
        return f"cannot be read now: {error.strerror or error}"
