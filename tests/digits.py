"""Real images, small and at hand: the handwritten digits that come with scikit-learn."""

from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits


def write_digits(root: Path) -> Path:
    """Write three classes of forty real 8x8 digits each below ``root``, as PNG files."""
    digits = load_digits()
    for label, name in enumerate(("zero", "one", "two")):
        folder = root / name
        folder.mkdir(parents=True)
        for number, image in enumerate(digits.images[digits.target == label][:40]):
            grey = (image / 16 * 255).astype(np.uint8)
            Image.fromarray(grey).save(folder / f"{number:02}.png")
    return root
