"""A dict of tensors to a ``.pth`` and back: written durably, read verified, never unpickled."""

import pickle
import struct
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import torch

from holdfast.checkpoint.archive import in_place, pack, write_archive
from holdfast.checkpoint.plain import savable
from holdfast.errors import DamagedCheckpointError
from holdfast.rundir import damage
from holdfast.storage import atomic_writer
from holdfast.storage.objects import GoneError, fetch

_REFUSALS = (
    *(pickle.UnpicklingError, struct.error, EOFError, LookupError, OverflowError, RuntimeError),
    *(AssertionError, AttributeError, TypeError, ValueError),  # pickles of no known torch
)


Contents = Callable[[Sequence[torch.UntypedStorage]], Generator[memoryview]]
"""Yields the bytes of each storage."""


def write_pth(
    path: Path,
    record: dict[str, Any],
    contents: Contents | None = None,
    ask: Callable[[], None] = lambda: None,
) -> None:
    """Commit ``record`` under ``path``; an ordinary file of torch.

    ``contents`` is for a record that is `savable` already, and whose bytes are elsewhere. Where
    ``ask``, called when all is written, raises, nothing is committed.

    Raises:
        StorageError: the disk refused; what stood under ``path`` before still does.
        UsageError: ``record`` holds what could not be read back.
    """
    packed = pack(savable(record) if contents is None else record)
    read = contents or in_place
    with atomic_writer(path) as file, closing(read(packed.storages)) as views:
        write_archive(file, packed.pickled, views)
        ask()


def read_pth(path: Path) -> dict[str, Any]:
    """Read a ``.pth`` after checking every record's CRC, onto the CPU, running no pickled code.

    The tensors lie in the file, which is read as they are: use them at once, or keep a
    ``copy.deepcopy``. What holds on to one is killed where somebody truncates the file, and
    Windows will not remove it.

    Raises:
        DamagedCheckpointError: the bytes are not what was written, or they hold more than data.
    """
    _bring(path)
    if reason := damage(path):
        raise DamagedCheckpointError(path, reason)
    try:
        loaded = _load(path)
    except _REFUSALS as error:
        if "allocate memory" in str(error):
            raise  # the machine is short of memory; the file is good
        raise DamagedCheckpointError(path, "not a plain file of tensors") from error
    if not isinstance(loaded, dict):
        raise DamagedCheckpointError(path, "holds no checkpoint")
    return loaded


def _bring(path: Path) -> None:
    try:
        fetch(path)
    except GoneError as error:
        raise DamagedCheckpointError(path, "is gone from the store") from error


def _load(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except RuntimeError:  # not every file system maps a file
        return torch.load(path, map_location="cpu", weights_only=True)
