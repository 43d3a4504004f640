"""What a scratch directory knows of the store: a small file of its own, never sent."""

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from holdfast.storage.json_record import read_record, write_record

SYNCED = ".synced.json"


@dataclass(frozen=True)
class Copy:
    """One file that the scratch and the store had in common."""

    etag: str
    size: int
    changed: int
    """The local file's own time, in nanoseconds."""


class Synced:
    """Which local files the store has too, and which of them are only skeletons here.

    ``holder`` is the last holding of the lease under which scratch and store were of one line;
    empty while they are being brought in line.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.holder = ""
        self._copies: dict[str, Copy] = {}
        self._skeletons: set[str] = set()
        self._lock = threading.Lock()
        self._load()

    def _load(self) -> None:
        record = read_record(self.directory / SYNCED)
        if record is None:
            return
        try:
            self._copies = {name: Copy(*copy) for name, copy in record["copies"].items()}
            self._skeletons = set(record["skeletons"])
            self.holder = str(record["holder"])
        except (LookupError, TypeError, AttributeError):
            self._copies, self._skeletons, self.holder = {}, set(), ""

    def save(self) -> None:
        """Make what is known durable."""
        with self._lock:
            copies = {n: (c.etag, c.size, c.changed) for n, c in self._copies.items()}
            skeletons = sorted(self._skeletons)
        content = {"holder": self.holder, "copies": copies, "skeletons": skeletons}
        write_record(self.directory / SYNCED, content)

    def note(self, name: str, etag: str) -> None:
        """Take note that the store has what the local file holds now."""
        stamp = stamp_of(self.directory / name)
        with self._lock:
            if stamp is not None:
                self._copies[name] = Copy(etag, *stamp)

    def forget(self, name: str) -> None:
        """Take note that neither has it any more, or that the local file is another one now."""
        with self._lock:
            self._copies.pop(name, None)
            self._skeletons.discard(name)

    def is_clean(self, name: str, etag: str | None = None) -> bool:
        """Tell whether the local file is as it was when the store had it, with this ETag."""
        with self._lock:
            copy = self._copies.get(name)
        if copy is None or etag not in (None, copy.etag):
            return False
        return stamp_of(self.directory / name) == (copy.size, copy.changed)

    def etag(self, name: str) -> str:
        """Return the ETag of what both had last; empty where that is not known."""
        with self._lock:
            copy = self._copies.get(name)
        return copy.etag if copy else ""

    def is_skeleton(self, name: str) -> bool:
        """Tell whether the local file has only the outlines of what the store has."""
        return name in self._skeletons

    def now_skeletons(self, names: Iterable[str]) -> None:
        """Take note, before they are made, that these are skeletons."""
        with self._lock:
            self._skeletons.update(names)

    def now_whole(self, name: str) -> None:
        """Take note that a skeleton has been replaced by all of it."""
        with self._lock:
            self._skeletons.discard(name)


def stamp_of(path: Path) -> tuple[int, int] | None:
    """Return size and time of a file, which change with it; None where there is none."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_size, stat.st_mtime_ns
