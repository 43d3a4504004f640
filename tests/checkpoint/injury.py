"""What can happen to a file, and telling whether two checkpoints are the same."""

from pathlib import Path
from typing import Any

import torch


def flip(path: Path, at: int | None = None, mask: int = 0xFF) -> None:
    """Damage one byte: one inside the pickled record, unless told."""
    data = bytearray(path.read_bytes())
    data[data.index(b"model_state_dict") if at is None else at] ^= mask
    path.write_bytes(data)


def truncate(path: Path) -> None:
    """Keep the first half."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path: Path) -> None:
    """Keep the name only."""
    path.write_bytes(b"")


def zero(path: Path) -> None:
    """Keep the size only, as a power cut may."""
    path.write_bytes(bytes(path.stat().st_size))


def same(a: Any, b: Any) -> bool:
    """Compare with ==, tensors bit by bit and by type."""
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    return bool(a == b)
