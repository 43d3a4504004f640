"""One meaning of "committed", for loading, listing, retention and verification alike."""

import errno
import struct
import zipfile
import zlib
from pathlib import Path

from holdfast.errors import StorageError
from holdfast.rundir.ahead import Ahead
from holdfast.rundir.layout import list_pth, parse_checkpoint, parse_result
from holdfast.rundir.peek import peek
from holdfast.rundir.record import mismatch
from holdfast.rundir.sums import wrong_sum
from holdfast.rundir.zip_table import StrangeHeaderError, data_starts
from holdfast.storage import is_no_file
from holdfast.storage.objects import GoneError, outlines_do, whole

GONE = "the file is gone"
_LONGEST = 80
_ANOTHER_TIME = {errno.EACCES, errno.EPERM, errno.EMFILE, errno.ENFILE, errno.ENOMEM}
_NO_CHECKPOINT = "truncated, or not a checkpoint"
_UNREADABLE = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError),
    *(ValueError, IndexError, OverflowError),  # names and sizes that mean nothing
)


def damage(path: Path) -> str | None:
    """Say what is wrong with the bytes of a ``.pth``, or None when every record's CRC agrees.

    A file of torch is a zip; torch stores a CRC-32 for each record and never checks it on load
    (pytorch issue 126952). No torch is needed to check it. What `verify_ahead` has just found
    good, and nobody has changed since, is not read again. Of a file that only object storage has
    whole, a start looks at the outlines; whoever loads it brings and verifies it.

    Raises:
        StorageError: the file may be good, but this process may not open it.
    """
    return _ahead.damage(path)


def verify_ahead(directory: Path) -> None:
    """Begin to verify the files of a run in a thread, the newest first; `damage` will know.

    For a start, which has torch to import meanwhile. It takes no lock and only reads.
    """
    _ahead.begin(list_pth(directory))


def _damage(path: Path) -> str | None:
    try:
        if outlines_do(path) and _outlines_are_good(path):
            return None
        with whole(path) as file:
            return _sums_damage(file)
    except GoneError:
        return GONE


def _outlines_are_good(path: Path) -> bool:
    """Look at what is here of a file in object storage; whoever loads it verifies all of it."""
    try:
        with zipfile.ZipFile(path) as archive:
            pickles = [r for r in archive.infolist() if r.filename.endswith("/data.pkl")]
            return len(pickles) == 1 and archive.read(pickles[0]) is not None
    except (OSError, *_UNREADABLE):
        return False


def _sums_damage(path: Path) -> str | None:
    if is_no_file(path):
        return "is no file"
    try:
        with zipfile.ZipFile(path) as archive:
            bad = wrong_sum(archive, data_starts(archive))
    except StrangeHeaderError as error:
        bad = str(error)
    except FileNotFoundError:
        return GONE
    except _UNREADABLE:
        return _NO_CHECKPOINT
    except OSError as error:
        if error.errno in _ANOTHER_TIME:
            raise StorageError(
                f"{path}: {error.strerror}; put that right and run the same command again"
            ) from error
        return f"cannot be read: {error.strerror}"
    return None if bad is None else f"record {printable(bad)} is not what was written"


def printable(text: str) -> str:
    """Return ``text`` as one can show it: it comes from a file that anybody may have made."""
    shown = ascii(text)[1:-1]
    return shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}..."


def looks_whole(path: Path) -> bool:
    """Tell whether a ``.pth`` is there and ends as one does; a look, where `damage` reads all."""
    try:
        if is_no_file(path):
            return False
        with zipfile.ZipFile(path) as archive:
            return bool(archive.infolist())
    except (OSError, StorageError, *_UNREADABLE):
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
    except FileNotFoundError:
        return GONE
    except (ValueError, RecursionError, MemoryError) as error:
        reason = printable(str(error)) or type(error).__name__
        return f"not a plain file of tensors: {reason}"
    except _UNREADABLE:  # damaged since its sums were looked at
        return _NO_CHECKPOINT
    if job is not None:
        return mismatch(record, job, None, run_id)
    if file is not None:
        return mismatch(record, file.job, file.position, run_id)
    return "its name is not a checkpoint's"


_ahead = Ahead(_damage)
