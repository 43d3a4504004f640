"""One meaning of "committed", for loading, listing and retention alike."""

import struct
import zipfile
import zlib
from pathlib import Path

from holdfast.rundir.layout import parse_checkpoint

_UNREADABLE = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError),
    *(ValueError, IndexError, OverflowError),  # names and sizes that mean nothing
)


def damage(path: Path) -> str | None:
    """Say what is wrong with the bytes of a ``.pth``, or None when every record's CRC agrees.

    A file of torch is a zip; torch stores a CRC-32 for each record and never checks it on load
    (pytorch issue 126952). No torch is needed to check it.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            bad = _misdescribed(archive) or archive.testzip()
    except FileNotFoundError:
        return "the file is gone"
    except _UNREADABLE:
        return "truncated, or not a checkpoint"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return None if bad is None else f"record {bad} does not match its checksum"


def _misdescribed(archive: zipfile.ZipFile) -> str | None:
    """Name a record that no torch has written so; its header has no checksum of its own.

    A set directory bit makes torch take a tensor for a folder and return what happens to be in
    memory, while zipfile reads on and finds the right CRC.
    """
    for record in archive.infolist():
        if record.external_attr or record.compress_type != zipfile.ZIP_STORED:
            return record.filename
    return None


def is_committed(path: Path) -> bool:
    """Tell whether a checkpoint stands complete under its final name and verifies."""
    return parse_checkpoint(path) is not None and damage(path) is None
