"""A local file with the outlines of a ``.pth`` that is in the store: what a look at it reads.

It has the name and the size of the whole, the zip's table and the pickle, and holes where the
tensors would be. Listing, `looks_whole`, `peek` and ``holdfast status`` need no more.
"""

import io
import zipfile
from pathlib import Path
from typing import BinaryIO

from holdfast.storage import disk
from holdfast.storage.atomic import atomic_writer
from holdfast.storage.objects.store import (
    AlteredError,
    Entry,
    GoneError,
    NoRangesError,
    Store,
    Version,
)

_BLOCK = 64 << 10


def make_skeleton(store: Store, entry: Entry, path: Path) -> bool:
    """Make the skeleton of an object under ``path``; return whether it is one, or all of it.

    Raises:
        GoneError: there is no such object any more.
    """
    try:
        with atomic_writer(path) as file:
            file.truncate(entry.size)
            _look(_Outlines(store, entry, file))
    except NoRangesError:
        fetch_whole(store, entry.name, path, entry.modified)
        return False
    disk.set_time(path, entry.modified)
    return True


def fetch_whole(store: Store, name: str, path: Path, modified: float) -> bool:
    """Bring all of an object under ``path``, where it appears whole.

    What was altered on the way is brought again; what comes twice in the same way is so in the
    store, and is left to whoever reads it. Returns whether its sum is the one the store says.

    Raises:
        GoneError: there is no such object any more.
    """
    with atomic_writer(path) as file:
        before, again = "", True
        while again:
            file.seek(0)
            file.truncate()
            try:
                for piece in store.pieces(name):
                    file.write(piece)
                before, again = "", False
            except AlteredError as error:
                before, again = error.found, error.found != before
    disk.set_time(path, modified)
    return not before


def _look(outlines: "_Outlines") -> None:
    """Read what a look reads, which puts it into the skeleton."""
    try:
        with zipfile.ZipFile(io.BufferedReader(outlines, 1 << 12)) as archive:
            for record in archive.infolist():
                if record.filename.endswith("/data.pkl"):
                    archive.read(record)
    except (zipfile.BadZipFile, ValueError, EOFError, NotImplementedError, IndexError):
        return  # damaged: a look at the skeleton says so too


class _Outlines(io.RawIOBase):
    """An object as a file; each block of it that is read is copied into a local file."""

    def __init__(self, store: Store, entry: Entry, copy: BinaryIO) -> None:
        self._store, self._entry, self._copy = store, entry, copy
        self._at = 0
        self._blocks: dict[int, bytes] = {}
        self._version: Version | None = None

    def seekable(self) -> bool:
        """It is."""
        return True

    def readable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to an offset, as of any file."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._entry.size}[whence]
        if start + offset < 0:
            raise ValueError("negative seek")
        self._at = start + offset
        return self._at

    def tell(self) -> int:
        """Return where it stands."""
        return self._at

    def readinto(self, buffer: "memoryview") -> int:  # type: ignore[override]
        """Read from one block."""
        number, skip = divmod(self._at, _BLOCK)
        data = self._block(number)[skip : skip + len(buffer)]
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def _block(self, number: int) -> bytes:
        start = number * _BLOCK
        end = min(start + _BLOCK, self._entry.size)
        if start >= end:
            return b""
        if number not in self._blocks:
            data, version = self._store.range(self._entry.name, start, end)
            if version != (self._version or version):  # blocks of two files are none
                raise GoneError(f"{self._entry.name}: replaced while it was read")
            self._version = version
            self._blocks[number] = data
            self._copy.seek(start)
            self._copy.write(data)
        return self._blocks[number]
