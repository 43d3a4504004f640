"""Rung 3 of the crash tests, in small: a run killed anywhere ends with the same bits."""

import random
from itertools import islice
from pathlib import Path

import pytest

from tests.crash import sigkill, strace_attach
from tests.crash.outcome import Outcome
from tests.crash.storm import Storm
from tests.crash.tiny_run import TinyRun


def bad(outcomes: list[Outcome]) -> list[Outcome]:
    return [outcome for outcome in outcomes if not outcome.good]


def test_killed_at_each_kind_of_effect(tiny: TinyRun, tmp_path: Path) -> None:
    """A kill before any write, sync, rename or removal costs nothing but time."""
    storm = Storm("3", tiny, tmp_path / "run")
    for kind in sigkill.EFFECTS:
        sigkill.at_effect(storm, random.Random(0), kind)
    outcomes = storm.finish()

    assert len(outcomes) == len(sigkill.EFFECTS)
    assert bad(outcomes) == []


def test_killed_by_strace_at_the_calls_of_a_save(tiny: TinyRun, tmp_path: Path) -> None:
    """The same where the kernel, not this package, says which call comes next."""
    if reason := strace_attach.why_not():
        pytest.skip(reason)
    storm = Storm("3", tiny, tmp_path / "run")
    tiny.lend_images(storm.directory)
    for kind in ("write", "sync", "rename", "sync_directory"):
        assert sigkill.at_call(storm, random.Random(0), kind)

    assert bad(storm.finish()) == []


def test_killed_while_it_recovers_and_again(tiny: TinyRun, tmp_path: Path) -> None:
    """Taking a run up can be killed anywhere, and so can taking it up after that."""
    storm = Storm("3", tiny, tmp_path / "run")
    tiny.lend_images(storm.directory)
    sigkill.at_effect(storm, random.Random(0), "sync")
    for seed in range(3):
        assert sigkill.twice_in_a_row(storm, random.Random(seed))
    outcomes = storm.finish()

    assert len(outcomes) == 7
    assert bad(outcomes) == []


def test_killed_at_random_moments(tiny: TinyRun, tmp_path: Path) -> None:
    """Any moment will do."""
    seed = random.SystemRandom().randrange(2**32)
    print("moments drawn with seed", seed)  # shown when the test fails
    storm, chance = Storm("3", tiny, tmp_path / "run"), random.Random(seed)
    for _ in range(4):
        assert sigkill.at_random(storm, chance)

    assert bad(storm.finish()) == []


def test_a_torture_run_can_ask_for_any_number(
    tiny: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The endless series of kills says of each one what came of it."""
    monkeypatch.setattr(sigkill, "MOST", 2)
    runs = list(islice(sigkill.injuries(random.Random(7), tmp_path, tiny), 2))
    outcomes = [outcome for run in runs for outcome in run]

    assert {outcome.verdict for outcome in outcomes} == {"same bits"}
    assert all(outcome.kind.startswith("SIGKILL") for outcome in outcomes)
