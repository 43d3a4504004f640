"""A tiny series that was killed once, and the same one trained to its end."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.changing_run import KILLED_AT, ChangingRun, new_run
from tests.dashboard.served import Served, served
from tests.warm_python import WarmPython


@pytest.fixture(scope="session")
def python() -> Iterator[WarmPython]:
    """Processes that start at once."""
    with WarmPython() as warm:
        yield warm


@pytest.fixture(scope="session")
def begun(
    python: WarmPython, digits_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> ChangingRun:
    """A run that was killed when one backbone was complete and one inside its last stage."""
    run = new_run(python, tmp_path_factory.mktemp("dashboard"), digits_folder)
    run.killed(KILLED_AT)
    return run


@pytest.fixture(scope="session")
def finished(begun: ChangingRun) -> Path:
    """The same run, continued to its end: it has an interruption behind it."""
    run = begun.copied("finished")
    run.finish()
    return run.directory


@pytest.fixture(scope="module")
def server(finished: Path) -> Iterator[Served]:
    """The finished run, served on loopback."""
    with served(finished) as server:
        yield server
