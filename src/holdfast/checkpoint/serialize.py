"""A dict of tensors to a ``.pth`` and back: written durably, read verified, never unpickled."""

import pickle
import struct
from pathlib import Path
from typing import Any, BinaryIO, cast

import torch

from holdfast.checkpoint.plain import savable
from holdfast.errors import DamagedCheckpointError
from holdfast.rundir import damage
from holdfast.storage import atomic_writer

_REFUSALS = (
    *(pickle.UnpicklingError, struct.error, EOFError, LookupError, OverflowError, RuntimeError),
    *(AssertionError, AttributeError, TypeError, ValueError),  # pickles of no known torch
)


def write_pth(path: Path, record: dict[str, Any]) -> None:
    """Commit ``record`` under ``path``; an ordinary file of torch.

    Raises:
        StorageError: the disk refused; what stood under ``path`` before still does.
        UsageError: ``record`` holds what could not be read back.
    """
    plain = savable(record)
    with atomic_writer(path) as file:
        handle = _HonestHandle(file)
        try:
            torch.save(plain, cast(BinaryIO, handle))
        except RuntimeError:
            if handle.error:  # torch reports a full disk as "unexpected pos"; say what it was
                raise handle.error from None
            raise


def read_pth(path: Path) -> dict[str, Any]:
    """Read a ``.pth`` after checking every record's CRC, onto the CPU, running no pickled code.

    Raises:
        DamagedCheckpointError: the bytes are not what was written, or they hold more than data.
    """
    if reason := damage(path):
        raise DamagedCheckpointError(path, reason)
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except _REFUSALS as error:
        if "allocate memory" in str(error):
            raise  # the machine is short of memory; the file is good
        raise DamagedCheckpointError(path, "not a plain file of tensors") from error
    if not isinstance(loaded, dict):
        raise DamagedCheckpointError(path, "holds no checkpoint")
    return loaded


class _HonestHandle:
    """A file that remembers why a write failed, because torch's C++ side forgets."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        try:
            return self._file.write(data)
        except OSError as error:
            self.error = error
            raise

    def flush(self) -> None:
        self._file.flush()
