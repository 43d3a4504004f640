"""One meaning of "committed", for loading, listing, retention and verification alike."""

import errno
import struct
import zipfile
import zlib
from pathlib import Path

from holdfast.errors import StorageError
from holdfast.rundir.layout import parse_checkpoint, parse_result
from holdfast.rundir.peek import peek
from holdfast.rundir.record import mismatch

_FOLDER = 0x10  # the bit that DOS sets for one
_ANOTHER_TIME = {errno.EACCES, errno.EPERM, errno.EMFILE, errno.ENFILE, errno.ENOMEM}
_UNREADABLE = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError),
    *(ValueError, IndexError, OverflowError),  # names and sizes that mean nothing
)


def damage(path: Path) -> str | None:
    """Say what is wrong with the bytes of a ``.pth``, or None when every record's CRC agrees.

    A file of torch is a zip; torch stores a CRC-32 for each record and never checks it on load
    (pytorch issue 126952). No torch is needed to check it.

    Raises:
        StorageError: the file may be good, but this process may not open it.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            bad = _called_a_folder(archive) or archive.testzip()
    except FileNotFoundError:
        return "the file is gone"
    except _UNREADABLE:
        return "truncated, or not a checkpoint"
    except OSError as error:
        if error.errno in _ANOTHER_TIME:
            raise StorageError(
                f"{path}: {error.strerror}; put that right and run the same command again"
            ) from error
        return f"cannot be read: {error.strerror}"
    return None if bad is None else f"record {bad} is not what was written"


def _called_a_folder(archive: zipfile.ZipFile) -> str | None:
    """Name a record whose header says that it is a folder; no CRC covers the headers.

    One flipped bit does it. torch then reads nothing, and returns a tensor of whatever happens
    to be in memory, while zipfile reads on and finds the right CRC.
    """
    folders = (record.filename for record in archive.infolist() if record.external_attr & _FOLDER)
    return next(folders, None)


def looks_whole(path: Path) -> bool:
    """Tell whether a ``.pth`` is there and ends as one does; a look, where `damage` reads all."""
    try:
        with zipfile.ZipFile(path) as archive:
            return bool(archive.infolist())
    except (OSError, *_UNREADABLE):
        return False


def fault(path: Path, run_id: str = "") -> str | None:
    """Say why a ``.pth`` is not the one that its name and its run promise; None where it is.

    The one predicate: a file is *committed* when this finds no fault. Loading, retention and
    ``holdfast verify`` all ask it; ``run_id`` is empty where the run is not known.

    Raises:
        StorageError: the file may be good, but this process may not open it.
    """
    if reason := damage(path):
        return reason
    file, job = parse_checkpoint(path), parse_result(path)
    try:
        record = peek(path)
    except (ValueError, RecursionError, MemoryError) as error:
        return f"not a plain file of tensors: {error or type(error).__name__}"
    if job is not None:
        return mismatch(record, job, None, run_id)
    if file is not None:
        return mismatch(record, file.job, file.position, run_id)
    return "its name is not a checkpoint's"
