"""The images that everybody trains on: where they are, decoded once, or a file at a time."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_digits
from torch import Tensor
from torch.utils.data import Dataset

from holdfast.data import FolderSource, open_folder

LEAVES = Path(__file__).resolve().parents[2].parent / "shared" / "leaves"
"""780 photographs of leaves in 13 classes, where this machine has them."""


def find_folder(given: Path | None, work: Path) -> Path:
    """Return the folder to train on: the given one, the leaves, or the digits written as files."""
    if given is not None:
        return given
    return LEAVES if LEAVES.is_dir() else write_digits(work / "digits")


def write_digits(folder: Path) -> Path:
    """Write scikit-learn's digits as PNG files, a sub-folder for each class."""
    digits = load_digits()
    pixels = np.round(digits.images * (255 / 16)).astype(np.uint8)
    for number, (image, label) in enumerate(zip(pixels, digits.target, strict=True)):
        home = folder / str(label)
        home.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).resize((128, 128)).save(home / f"{number:04d}.png")
    return folder


def read_square(file: Path, side: int) -> np.ndarray:
    """Read an image as most people do: decode, shorter side to ``side``, cut out the centre."""
    with Image.open(file) as opened:
        image = opened.convert("RGB")
    edge = min(image.size)
    left, top = (image.width - edge) / 2, (image.height - edge) / 2
    box = (left, top, left + edge, top + edge)
    return np.array(image.resize((side, side), Image.Resampling.BICUBIC, box=box))


def decode_all(folder: Path, side: int) -> tuple[Tensor, Tensor]:
    """Return all images, uint8 (N, side, side, 3), and their labels."""
    files = ImageFiles(open_folder(folder), side)
    images = np.stack([read_square(file, side) for file in files.files])
    return torch.from_numpy(images), torch.from_numpy(files.source.labels)


class ImageFiles(Dataset[tuple[Tensor, int]]):
    """A folder as the usual dataset over it: a file is decoded each time it is asked for."""

    def __init__(self, source: FolderSource, side: int, indices: np.ndarray | None = None) -> None:
        self.source, self.side = source, side
        self.indices = np.arange(len(source.names)) if indices is None else indices
        self.files = [source.root / source.names[index] for index in self.indices]

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image = torch.from_numpy(read_square(self.files[index], self.side))
        return image, int(self.source.labels[self.indices[index]])


Prepare = Callable[[Tensor], Tensor]
"""From uint8 (B, R, R, 3) to what a network sees, float32 (B, 3, S, S)."""
