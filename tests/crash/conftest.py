"""What the crash tests share."""

from collections.abc import Iterator

import pytest

from tests.crash.tiny_run import TinyRun, tiny_run


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TinyRun]:
    """A small series with its undisturbed run, ready to be disturbed."""
    with tiny_run(tmp_path_factory.mktemp("tiny"), ["CustomRegNet"], epochs=1) as run:
        yield run
