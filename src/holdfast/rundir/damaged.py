"""Where damaged files go: beside the run, with the reason, out of the way of the next start."""

import itertools
from pathlib import Path

from holdfast.rundir.layout import DAMAGED
from holdfast.storage import make_directory, move_durably, write_atomically


def set_aside(path: Path, reason: str) -> Path:
    """Move a damaged file to ``damaged/``, the reason beside it; return where it is now.

    The reason is written first, so that no file is ever there without one.
    """
    target = _room_for(path)
    _explain(target, reason)
    move_durably(path, target)
    return target


def set_aside_copy(path: Path, reason: str) -> Path:
    """Put a copy of a file there that is about to be mended in its place."""
    target = _room_for(path)
    _explain(target, reason)
    write_atomically(target, path.read_bytes())
    return target


def _room_for(path: Path) -> Path:
    folder = path.parent / DAMAGED
    make_directory(folder)
    names = (path.name, *(f"{path.name}.{n}" for n in range(2, 100)))
    free = (folder / name for name in names if not (folder / name).exists())
    return next(itertools.chain(free, [folder / path.name]))  # a hundredth replaces the first


def _explain(target: Path, reason: str) -> None:
    write_atomically(target.with_name(f"{target.name}.reason.txt"), f"{reason}\n".encode())
