"""Verifying before it is asked for, beside what a start does until then."""

import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from threading import Lock, Thread

from holdfast.errors import StorageError

_KEPT = 60.0
"""Seconds for which a file that was found good, and has not been changed, is believed to be."""
_SETTLED = 2.0
"""Seconds since the last change after which the next one shows: FAT's clock ticks that slowly."""

_NEVER = float("-inf")
_Stamp = tuple[int, ...]


class Ahead:
    """Files that a thread verifies, and which of them it has found good.

    It only ever saves reading a good file twice: what is not good, cannot be read or has changed
    is read again by whoever asks.
    """

    def __init__(self, damage: Callable[[Path], str | None]) -> None:
        self._damage = damage
        self._left: dict[_Stamp, Path] = {}
        self._found: dict[_Stamp, Future[float]] = {}
        self._lock = Lock()

    def begin(self, paths: Iterable[Path]) -> None:
        """Verify these files in a thread, those first that were written last."""
        now = time.time()
        stamped = {stamp: path for path in paths if (stamp := _stamp(path))}
        settled = [s for s in stamped if _changed(s) < now - _SETTLED]
        with self._lock:
            newest_first = sorted(settled, key=_changed, reverse=True)
            self._left = {s: stamped[s] for s in newest_first if s not in self._found}
        if settled:
            with suppress(RuntimeError):  # no thread is to be had
                Thread(target=self._work, name="verify ahead", daemon=True).start()

    def damage(self, path: Path) -> str | None:
        """Say what is wrong with a file: as found ahead if it is good, else by reading it now."""
        stamp = _stamp(path)
        if stamp is None:
            return self._damage(path)
        with self._lock:
            mine = self._left.pop(stamp, None) is not None
            found = self._found.setdefault(stamp, Future()) if mine else self._found.get(stamp)
        if found is None:
            return self._damage(path)
        if mine:
            return self._verify(path, stamp, found)
        is_fresh = time.monotonic() - found.result() < _KEPT  # waits, while the thread reads it
        return None if is_fresh else self._damage(path)

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._left:
                    return
                stamp = next(iter(self._left))
                path, found = self._left.pop(stamp), self._found.setdefault(stamp, Future())
            with suppress(OSError, StorageError):  # told to whoever asks, who reads it again
                self._verify(path, stamp, found)

    def _verify(self, path: Path, stamp: _Stamp, found: Future[float]) -> str | None:
        began, good = time.monotonic(), False
        try:
            reason = self._damage(path)
            good = reason is None and _stamp(path) == stamp
            return reason
        finally:
            found.set_result(began if good else _NEVER)


def _stamp(path: Path) -> _Stamp | None:
    """Return what is another after each change of a file; None where there is none to be seen."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino, stat.st_dev


def _changed(stamp: _Stamp) -> float:
    return stamp[0] / 1e9
