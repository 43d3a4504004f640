"""Files that grow, as objects that do not: what is appended becomes a segment of its own.

``journal.jsonl`` is in the store as ``journal.jsonl.d/TOKEN-REWRITE-OFFSET``. A segment is only
ever created. A holder of the lease, and each rewriting of the file, begins a generation: its
first segment is the whole file. The greatest generation counts, so what a former holder may
still append to its own is never read.
"""

import os
import re
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

GROWS = ".jsonl"
"""How the names of these files end."""

_MANY = 64  # segments, after which they are made one
_NAME = re.compile(r"(?P<file>.+)\.d/(?P<token>\d{8})-(?P<rewrite>\d{6})-(?P<offset>\d{12})")


@dataclass(frozen=True, order=True)
class Segment:
    """One object with a part of a file."""

    file: str
    token: int
    rewrite: int
    offset: int

    @property
    def name(self) -> str:
        """The name of the object."""
        return f"{self.file}.d/{self.token:08d}-{self.rewrite:06d}-{self.offset:012d}"

    @property
    def generation(self) -> tuple[int, int]:
        """Which begins with a whole file; the greatest counts."""
        return self.token, self.rewrite

    @classmethod
    def parse(cls, name: str) -> "Segment | None":
        """Read the name of an object; None where it is not a segment's."""
        match = _NAME.fullmatch(name)
        if match is None:
            return None
        return cls(match["file"], int(match["token"]), int(match["rewrite"]), int(match["offset"]))


def current(names: Iterable[str]) -> dict[str, list[Segment]]:
    """Return, of the objects' names, the segments that make up each file, in order."""
    found: dict[str, list[Segment]] = {}
    for segment in sorted(s for name in names if (s := Segment.parse(name))):
        if segment.offset == 0:
            found[segment.file] = []
        if segment.file in found and _follows(found[segment.file], segment):
            found[segment.file].append(segment)
    return found


def _follows(before: list[Segment], segment: Segment) -> bool:
    return not before or before[-1].generation == segment.generation


class Growth:
    """How far the store has one file that grows, under one holding of the lease."""

    def __init__(self, file: str, token: int, old: Iterable[str]) -> None:
        self._old = list(old)
        self._file, self._token, self._rewrite = file, token, 0
        self._sent: list[str] = []
        self._size = 0
        self._inode: int | None = None
        self._lock = threading.Lock()

    def begin_again(self) -> None:
        """Send the whole file next: it was rewritten, or nobody knows what the store has."""
        with self._lock:
            self._rewrite += 1
            self._old += self._sent
            self._sent, self._size = [], 0

    def cut(self, path: Path) -> tuple[Segment, bytes] | None:
        """Return what the file has that the store lacks; None where that is nothing."""
        with path.open("rb") as file:
            inode = os.fstat(file.fileno()).st_ino
            if len(self._sent) >= _MANY or self._inode not in (None, inode):
                self.begin_again()
            self._inode = inode
            file.seek(self._size)
            data = file.read()
        if not data and self._sent:
            return None
        return Segment(self._file, self._token, self._rewrite, self._size), data

    def old(self) -> list[str]:
        """Return, once a new generation has begun, the objects of the earlier ones; they may go."""
        with self._lock:
            return list(self._old) if self._sent else []

    def gone(self, names: Sequence[str]) -> None:
        """Take note that the store is rid of these."""
        with self._lock:
            self._old = [name for name in self._old if name not in names]

    def has(self, segment: Segment, size: int) -> None:
        """Take note that a segment of ``size`` bytes is in the store."""
        with self._lock:
            if (segment.rewrite, segment.offset) == (self._rewrite, self._size):
                self._sent.append(segment.name)
                self._size += size
