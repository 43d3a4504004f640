"""One meaning of "committed", for loading, listing and retention alike."""

import zipfile
import zlib
from pathlib import Path

from holdfast.rundir.layout import parse_checkpoint


def damage(path: Path) -> str | None:
    """Say what is wrong with the bytes of a ``.pth``, or None when every record's CRC agrees.

    A file of torch is a zip; torch stores a CRC-32 for each record and never checks it on load
    (pytorch issue 126952). No torch is needed to check it.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            bad = archive.testzip()
    except FileNotFoundError:
        return "the file is gone"
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError):
        return "truncated, or not a checkpoint"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return None if bad is None else f"record {bad} does not match its checksum"


def is_committed(path: Path) -> bool:
    """Tell whether a checkpoint stands complete under its final name and verifies."""
    return parse_checkpoint(path) is not None and damage(path) is None
