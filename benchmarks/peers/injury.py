"""What can happen to the files of a checkpoint, which may be a file or a folder."""

import os
import shutil
from pathlib import Path

import torch
from torch import Tensor


def files(checkpoint: Path) -> list[Path]:
    """Return the files of a checkpoint, by name."""
    return sorted(checkpoint.iterdir()) if checkpoint.is_dir() else [checkpoint]


def largest(checkpoint: Path) -> Path:
    """Return its largest file."""
    return max(files(checkpoint), key=lambda file: file.stat().st_size)


def size(checkpoint: Path) -> int:
    """Return the bytes of all its files."""
    return sum(file.stat().st_size for file in files(checkpoint))


def cut_in_half(checkpoint: Path) -> Path:
    """Truncate its largest file to half."""
    file = largest(checkpoint)
    os.truncate(file, file.stat().st_size // 2)
    return file


def empty(checkpoint: Path) -> Path:
    """Truncate its largest file to nothing."""
    file = largest(checkpoint)
    os.truncate(file, 0)
    return file


def flip_bit(checkpoint: Path) -> Path:
    """Flip one bit in the middle of its largest weight."""
    file = checkpoint / "model.safetensors" if checkpoint.is_dir() else checkpoint
    weight = max(_weights(file).values(), key=Tensor.numel)
    data = bytearray(file.read_bytes())
    middle = weight.numel() // 2 * weight.element_size()
    data[data.index(weight.numpy().tobytes()) + middle + 2] ^= 1
    file.write_bytes(data)
    return file


def delete(checkpoint: Path) -> Path:
    """Remove it."""
    if checkpoint.is_dir():
        shutil.rmtree(checkpoint)
    else:
        checkpoint.unlink()
    return checkpoint


def delete_file(checkpoint: Path, name: str) -> Path:
    """Remove one of its files."""
    return delete(checkpoint / name)


def replace(checkpoint: Path, other: Path) -> Path:
    """Put another one in its place."""
    delete(checkpoint)
    if other.is_dir():
        shutil.copytree(other, checkpoint)
    else:
        shutil.copyfile(other, checkpoint)
    return checkpoint


def _weights(file: Path) -> dict[str, Tensor]:
    if file.suffix == ".safetensors":
        from safetensors.torch import load_file  # comes with the peers that use it

        return dict(load_file(file))
    saved = torch.load(file)
    found: dict[str, Tensor] = saved.get("state_dict") or saved["model_state_dict"]
    return found
