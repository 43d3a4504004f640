"""What several rooms of the tests use."""

from pathlib import Path

import pytest

from tests.digits import write_digits


@pytest.fixture(scope="session")
def digits_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes of forty real 8x8 digits each, as a folder of PNG files."""
    return write_digits(tmp_path_factory.mktemp("digits"))
