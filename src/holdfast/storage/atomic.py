"""Effects in the order that survives a crash: durable writes, appends, moves, removals.

A write goes: temporary file in the same directory, write, flush, fsync(file), rename,
fsync(directory). After a crash at any point the final name holds either the old bytes or the
new ones, whole (borg's SaveFile has the same order; ``tests/storage`` reads ours off strace).
What it cannot promise: a disk that acknowledges a flush it has not made.
"""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from holdfast.errors import StorageError
from holdfast.storage import disk

_TEMPORARY = re.compile(r"\.(?P<name>.+)\.(?P<pid>\d+)\.tmp")


@contextmanager
def atomic_writer(path: Path) -> Iterator[BinaryIO]:
    """Yield a file whose bytes appear under ``path`` whole, and durably, when the block ends.

    If the block raises, ``path`` is untouched and the temporary file is removed. A file whose
    fsync failed is never synced again: the kernel may have dropped its pages (fsyncgate).

    Raises:
        StorageError: the file system refused (disk full, read-only, I/O error).
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with storage_errors(path):
        try:
            with disk.create(temporary) as file:
                yield file
                disk.sync(file)
            disk.rename(temporary, path)
        except BaseException:
            with suppress(OSError):  # the first error is the one worth telling
                disk.unlink(temporary)
            raise
        disk.sync_directory(path.parent)


def write_atomically(path: Path, data: bytes) -> None:
    """Replace the contents of ``path`` by ``data``, durably."""
    with atomic_writer(path) as file:
        file.write(data)


def append_durably(path: Path, data: bytes) -> None:
    """Append ``data`` to ``path`` and sync it; a crash may leave a torn tail, never a gap."""
    with storage_errors(path):
        created = not path.exists()
        with disk.append(path) as file:
            file.write(data)
            disk.sync(file)
        if created:
            disk.sync_directory(path.parent)


def move_durably(source: Path, target: Path) -> None:
    """Move one file to another directory of the same file system."""
    with storage_errors(source):
        disk.rename(source, target)
        disk.sync_directory(target.parent)
        disk.sync_directory(source.parent)


def settle_directory(path: Path) -> None:
    """Make durable what a dead process had renamed or removed and not synced any more."""
    with storage_errors(path):
        disk.sync_directory(path)


def make_directory(path: Path) -> None:
    """Create ``path`` and its parents, durably; it may exist already."""
    with storage_errors(path):
        missing = [p for p in (path, *path.parents) if not p.is_dir()]
        for directory in reversed(missing):
            try:
                disk.make_directory(directory)
            except FileNotFoundError as error:  # its parent is there: /proc, and the like
                reason = "cannot be made there; choose another directory"
                raise StorageError(f"{path}: {reason}", error.errno) from error
            disk.sync_directory(directory.parent)


def remove(path: Path) -> None:
    """Remove one file; it may be gone already."""
    with storage_errors(path):
        disk.unlink(path)


def remove_empty_directory(path: Path) -> None:
    """Remove ``path`` if it is an empty directory."""
    with storage_errors(path):
        if path.is_dir() and not any(path.iterdir()):
            disk.remove_directory(path)


def read_bytes(path: Path, start: int = 0) -> bytes | None:
    """Return what ``path`` holds from ``start`` on; None where there is no such file.

    Raises:
        StorageError: the file may be good, but the disk does not give it.
    """
    with storage_errors(path):
        try:
            with path.open("rb") as file:
                file.seek(start)
                return file.read()
        except FileNotFoundError:
            return None


def is_no_file(path: Path) -> bool:
    """Tell whether something else stands there: whoever reads a pipe may wait for ever."""
    with storage_errors(path):
        return not path.is_file() and os.path.lexists(path)


def remove_temporaries(directory: Path) -> list[Path]:
    """Remove what dead writers left half-written; the caller holds the directory's lock."""
    leftovers = [p for p in directory.iterdir() if is_temporary(p)]
    for path in leftovers:
        remove(path)
    return leftovers


def is_temporary(path: Path) -> bool:
    """Tell whether a name is one that `atomic_writer` uses before the commit."""
    return _TEMPORARY.fullmatch(path.name) is not None


def final_name(path: Path) -> str:
    """Return the name that what is written under ``path`` will have in the end."""
    match = _TEMPORARY.fullmatch(path.name)
    return match["name"] if match else path.name


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn what the file system refuses in the block into StorageError, naming ``path``."""
    try:
        yield
    except OSError as error:
        raise StorageError(f"{path}: {_reason(error)}", error.errno) from error


def _reason(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "the disk is full; free some space and run the same command again"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return "not writable; make it so, or choose another directory"
    if error.errno in (errno.EEXIST, errno.ENOTDIR):
        return "a file stands where a folder should be; choose another directory"
    if error.errno == errno.EISDIR:
        return "a folder stands where a file should be; move it away"
    return f"{error.strerror or error}; nothing saved before is lost, run the same command again"
