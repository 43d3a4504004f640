"""Where damaged files go: beside the run, with the reason, out of the way of the next start."""

import itertools
import os
from contextlib import suppress
from pathlib import Path

from holdfast.rundir.layout import DAMAGED
from holdfast.storage import make_directory, move_durably, read_bytes, write_atomically
from holdfast.storage.objects import GoneError, fetch

_REASON = ".reason.txt"


def set_aside(directory: Path, path: Path, reason: str) -> Path:
    """Move a damaged file of a run to its ``damaged/``, with the reason; return where it is now.

    The reason is written first, so that no file is ever there without one.
    """
    with suppress(GoneError):  # gone from object storage: what is here is all there is
        fetch(path)
    target = _room_for(directory, path, reason)
    move_durably(path, target)
    return target


def set_aside_copy(directory: Path, path: Path, reason: str) -> Path:
    """Put a copy of a file there that is about to be mended in its place."""
    target = _room_for(directory, path, reason)
    write_atomically(target, read_bytes(path) or b"")
    return target


def list_set_aside(directory: Path) -> list[str]:
    """Return the names of the damaged files that were moved out of a run, in order."""
    folder = directory / DAMAGED
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    return [name for name in names if f"{name}{_REASON}" in names]


def _room_for(directory: Path, path: Path, reason: str) -> Path:
    """Find a free name, and explain what will be there."""
    folder = directory / DAMAGED
    make_directory(folder)
    names = (path.name, *(f"{path.name}.{n}" for n in range(2, 100)))
    free = (folder / name for name in names if not os.path.lexists(folder / name))
    target = next(itertools.chain(free, [folder / path.name]))  # a hundredth replaces the first
    write_atomically(target.with_name(f"{target.name}{_REASON}"), f"{reason}\n".encode())
    return target
