"""What several rooms of the tests use."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits


@pytest.fixture(scope="session")
def digits_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes of forty real 8x8 digits each, as a folder of PNG files."""
    root = tmp_path_factory.mktemp("digits")
    digits = load_digits()
    for label, name in enumerate(("zero", "one", "two")):
        folder = root / name
        folder.mkdir()
        for number, image in enumerate(digits.images[digits.target == label][:40]):
            grey = (image / 16 * 255).astype(np.uint8)
            Image.fromarray(grey).save(folder / f"{number:02}.png")
    return root
