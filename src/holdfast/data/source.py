"""Where images come from: what the cache asks of a source, and the built-in one."""

import copy
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

TRAIN, VAL, TEST = 0, 1, 2
"""The values of a source's ``split``."""


class Source(Protocol):
    """Labelled images in a fixed order."""

    classes: tuple[str, ...]
    """The name of each label, by number."""
    names: Sequence[str]
    """What messages call each image: its path below the folder, with ``/``; always printable."""
    labels: NDArray[np.int64]
    """The number of each image's class."""
    split: NDArray[np.int8] | None
    """`TRAIN`, `VAL` or `TEST` for each image; None where the source leaves that open."""

    def digest(
        self, stamp_file: Path | None = None, check_stop: Callable[[], None] | None = None
    ) -> str:
        """Return the sha256 over names, labels, classes and every image's bytes.

        ``stamp_file`` may remember hashes between calls; ``check_stop`` may raise to stop.
        """

    def take(self, indices: NDArray[np.int64], split: NDArray[np.int8]) -> Self:
        """Return a source of these images only, split as given; each class must remain."""

    def read(self, index: int, at_least: int | None = None) -> Image.Image:
        """Decode one image to RGB, upright; called from several threads.

        ``at_least`` allows a reduced size (see `decode`). Raises BadImage with the reason.
        """


class DigitsSource:
    """The 1,797 handwritten digits that come with scikit-learn: 10 classes, 8x8 grey as RGB."""

    def __init__(self) -> None:
        from sklearn.datasets import load_digits  # slow to import, and for this source alone

        digits = load_digits()
        self._pixels = np.round(digits.images * (255 / 16)).astype(np.uint8)
        self.labels: NDArray[np.int64] = digits.target.astype(np.int64)
        self.classes = tuple(str(name) for name in digits.target_names)
        self.names: Sequence[str] = [f"{c}/{i:04d}" for i, c in enumerate(self.labels)]
        self.split: NDArray[np.int8] | None = None

    def digest(
        self, stamp_file: Path | None = None, check_stop: Callable[[], None] | None = None
    ) -> str:
        """Return the sha256 of the images and their labels; nothing to remember or to wait for."""
        return hashlib.sha256(self._pixels.tobytes() + self.labels.tobytes()).hexdigest()

    def take(self, indices: NDArray[np.int64], split: NDArray[np.int8]) -> Self:
        """Return a source of these digits only, split as given."""
        some = copy.copy(self)
        some._pixels, some.labels = self._pixels[indices], self.labels[indices]
        some.names = [self.names[index] for index in indices.tolist()]
        some.split = split
        return some

    def read(self, index: int, at_least: int | None = None) -> Image.Image:
        """Return one digit, 8x8 RGB."""
        return Image.fromarray(self._pixels[index]).convert("RGB")


def demo_digits() -> DigitsSource:
    """Return the images every installation has, for a first run without data."""
    return DigitsSource()
