"""What the crash tests share."""

import os
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.recording import Undisturbed, undisturbed
from tests.crash.tiny_run import TinyRun, tiny_run


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TinyRun]:
    """A small series with its undisturbed run, ready to be disturbed."""
    with tiny_run(tmp_path_factory.mktemp("tiny"), ["CustomRegNet"], epochs=1) as run:
        yield run


@pytest.fixture(scope="session")
def calm() -> Iterator[Undisturbed]:
    """The tiny run, recorded; in memory where that can be: the tests say what is durable."""
    memory = Path("/dev/shm")
    usable = memory.is_dir() and os.access(memory, os.W_OK)
    with tempfile.TemporaryDirectory(dir=memory if usable else None) as name:
        yield undisturbed(Path(name))


@pytest.fixture
def chance() -> random.Random:
    """A source of chance whose seed is shown when the test fails."""
    seed = random.SystemRandom().randrange(2**32)
    print("drawn with seed", seed)
    return random.Random(seed)
