"""What several rooms of the tests use."""

import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings

from tests.digits import write_digits

settings.register_profile("quick", derandomize=True, deadline=None, max_examples=100, database=None)
settings.register_profile("deep", deadline=None, max_examples=1_500, database=None)
settings.load_profile("deep" if os.environ.get("HOLDFAST_DEEP") else "quick")

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # as a shell leaves it to what runs in the
    signal.signal(signal.SIGINT, signal.default_int_handler)  # background; children inherit that


@pytest.fixture(scope="session")
def digits_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes of forty real 8x8 digits each, as a folder of PNG files."""
    return write_digits(tmp_path_factory.mktemp("digits"))


@pytest.fixture(scope="session")
def trained_run(digits_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of two tiny backbones on those digits; whoever changes it takes a copy."""
    from tests.trained_run import train_run  # imports torch, which not every test needs

    return train_run(digits_folder, tmp_path_factory.mktemp("trained") / "run")
