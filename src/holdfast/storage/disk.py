"""The one door to the disk: each function is a single effect, told to whoever watches before it.

Followers are told of what is done: object storage is sent what the disk has (`objects`).

Nothing else in Holdfast creates, writes, syncs, renames or removes; what a sequence of these
effects survives is decided in ``atomic.py``. Watching is how a crash is put between any two of
them (``tests/crash``, ``holdfast prove``).
"""

import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

CREATE, APPEND, WRITE, SYNC = "create", "append", "write", "sync"
RENAME, UNLINK = "rename", "unlink"
MAKE_DIRECTORY, REMOVE_DIRECTORY, SYNC_DIRECTORY = "mkdir", "rmdir", "sync_directory"


@dataclass(frozen=True)
class Effect:
    """One change of the disk: about to happen for a watcher, done for a follower."""

    kind: str
    path: Path
    data: bytes = b""
    """What a write writes."""
    target: Path | None = None
    """Where a rename goes."""


Watcher = Callable[[Effect], None]
Follower = Callable[[Effect], None]
_watchers: list[Watcher] = []
_followers: list[Follower] = []


@contextmanager
def watching(watcher: Watcher) -> Iterator[None]:
    """Tell ``watcher`` of each effect before it happens; what it raises prevents the effect."""
    _watchers.append(watcher)
    try:
        yield
    finally:
        _watchers.remove(watcher)


@contextmanager
def following(follower: Follower) -> Iterator[None]:
    """Tell ``follower`` of each file that was synced, renamed or removed, once it is."""
    _followers.append(follower)
    try:
        yield
    finally:
        _followers.remove(follower)


def create(path: Path) -> BinaryIO:
    """Create ``path``, or empty it, for writing."""
    _tell(CREATE, path)
    return io.BufferedWriter(_File(path, "wb"))


def append(path: Path) -> BinaryIO:
    """Open ``path`` for writing at its end."""
    _tell(APPEND, path)
    return io.BufferedWriter(_File(path, "ab"))


def sync(file: BinaryIO) -> None:
    """Make durable what has been written to ``file``."""
    file.flush()
    _tell(SYNC, Path(file.name))
    os.fsync(file.fileno())
    _done(SYNC, Path(file.name))


def rename(source: Path, target: Path) -> None:
    """Give ``source`` the name ``target``, which may exist; all or nothing."""
    _tell(RENAME, source, target=target)
    source.replace(target)
    _done(RENAME, source, target)


def unlink(path: Path) -> None:
    """Remove one file; it may be gone already."""
    _tell(UNLINK, path)
    path.unlink(missing_ok=True)
    _done(UNLINK, path)


def set_time(path: Path, modified: float) -> None:
    """Let a file have been changed at a time, in seconds since 1970; nothing depends on it."""
    os.utime(path, (modified, modified))


def make_directory(path: Path) -> None:
    """Create one directory; it may exist already."""
    _tell(MAKE_DIRECTORY, path)
    path.mkdir(exist_ok=True)


def remove_directory(path: Path) -> None:
    """Remove one empty directory."""
    _tell(REMOVE_DIRECTORY, path)
    path.rmdir()


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable."""
    if os.name == "nt":  # Windows cannot open a directory; NTFS journals the rename itself
        return
    _tell(SYNC_DIRECTORY, path)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class _File(io.FileIO):
    """A raw file whose writes are told."""

    def __init__(self, path: Path, mode: str) -> None:
        super().__init__(path, mode)
        self._path = path

    def write(self, data: "ReadableBuffer", /) -> int:
        if _watchers:
            _tell(WRITE, self._path, bytes(data))
        return super().write(data)


def _tell(kind: str, path: Path, data: bytes = b"", target: Path | None = None) -> None:
    for watcher in _watchers:
        watcher(Effect(kind, path, data, target))


def _done(kind: str, path: Path, target: Path | None = None) -> None:
    for follower in _followers:
        follower(Effect(kind, path, target=target))
