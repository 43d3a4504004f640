"""Rung 5 of the crash tests, in small: what was acknowledged survives a real power cut."""

import random
from pathlib import Path

import pytest

from tests.crash.loop_disk import KINDS, loop_disk, why_not
from tests.crash.power_cuts import cut_power
from tests.crash.storm import Storm
from tests.crash.tiny_run import TinyRun

NO_SYNCS = "import os\nos.fsync = lambda descriptor: None\n"


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """A file system that can be made here."""
    name: str = request.param
    if reason := why_not(name):
        pytest.skip(reason)
    return name


def test_cuts_in_a_row_leave_the_same_bits(kind: str, tiny: TinyRun, tmp_path: Path) -> None:
    """A series whose power is cut again and again ends as the undisturbed one."""
    seed = random.SystemRandom().randrange(2**32)
    print("moments drawn with seed", seed)  # shown when the test fails
    chance = random.Random(seed)
    with loop_disk(kind) as disk:
        storm = Storm("5", tiny, disk.where / "run")
        for _ in range(4):
            cut_power(storm, disk, chance, tmp_path / "log")
        outcomes = storm.finish()

    assert len(outcomes) >= 1
    assert [outcome for outcome in outcomes if not outcome.good] == []


def test_series_that_does_not_sync_is_caught(kind: str, tiny: TinyRun, tmp_path: Path) -> None:
    """The cuts are real: without its syncs, a run loses what it had acknowledged."""
    chance, log = random.Random(0), tmp_path / "log"
    with loop_disk(kind) as disk:
        storm = Storm("5", tiny, disk.where / "run")
        for _ in range(10):
            cut_power(storm, disk, chance, log, NO_SYNCS)
            if storm.faults:
                break

    assert "acknowledged and lost" in storm.faults[0][1]
