"""What a start verifies ahead is believed for a moment, and only while nobody touches it."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from holdfast.checkpoint import make_record, read_pth
from holdfast.checkpoint.serialize import write_pth
from holdfast.errors import DamagedCheckpointError
from holdfast.rundir import JobName, Position, checkpoint_path, damage, verify_ahead
from holdfast.rundir.ahead import Ahead
from tests.checkpoint.injury import empty, flip, truncate

JOB, LONG_AGO = JobName("CustomRegNet"), 100.0
INJURIES: list[Callable[[Path], None]] = [flip, truncate, empty, Path.unlink]


def checkpoint(directory: Path, epoch: int = 1) -> Path:
    """Write a checkpoint large enough for several threads, dated as one of a while ago."""
    path, position = (
        checkpoint_path(directory, JOB, Position("head", epoch)),
        Position("head", epoch),
    )
    model = {f"layer{n}": torch.full((1 << 20,), float(n)) for n in range(5)}
    write_pth(path, make_record(JOB, position, model=model))
    date_back(path)
    return path


def date_back(path: Path) -> None:
    """Give a file the date of one that has been there for a while."""
    then = time.time() // 1 - LONG_AGO
    os.utime(path, (then, then))


def bytes_read() -> int:
    """Return how many bytes this process has read so far."""
    counters = Path("/proc/self/io")
    if not counters.exists():
        pytest.skip("this system does not tell what a process reads")
    return int(counters.read_text().split()[1])


def wait_for(asked: list[Path], count: int) -> None:
    """Wait until the thread has been asked about so many files."""
    until = time.monotonic() + 30
    while len(asked) < count and time.monotonic() < until:
        time.sleep(0.01)


@pytest.fixture
def asked() -> list[Path]:
    """The files that the thread of `ahead` was asked about, in order."""
    return []


@pytest.fixture
def ahead(asked: list[Path]) -> Ahead:
    """One of the test's own, which verifies as every other does."""

    def check(path: Path) -> str | None:
        asked.append(path)
        return damage(path)

    return Ahead(check)


def test_what_is_verified_ahead_is_read_once(tmp_path: Path) -> None:
    """Whoever asks later, or meanwhile, gets the thread's answer: the bytes are read once."""
    path = checkpoint(tmp_path)
    size, before = path.stat().st_size, bytes_read()
    verify_ahead(tmp_path)
    assert damage(path) is None
    assert damage(path) is None
    assert read_pth(path)["model_state_dict"]["layer3"][0] == 3.0
    assert size <= bytes_read() - before < 2 * size


def test_the_newest_is_verified_first(tmp_path: Path, ahead: Ahead, asked: list[Path]) -> None:
    """A start needs the newest checkpoint first, whatever its name."""
    paths = [checkpoint(tmp_path, epoch) for epoch in (3, 1, 2)]
    for age, path in enumerate(paths):
        os.utime(path, (time.time() - LONG_AGO - age, time.time() - LONG_AGO - age))
    ahead.begin(sorted(paths))
    wait_for(asked, len(paths))
    assert asked == paths


@pytest.mark.parametrize("injury", INJURIES)
def test_damage_after_the_early_check_is_found(
    injury: Callable[[Path], None], tmp_path: Path
) -> None:
    """A file good when the start began is refused if it is not when it is loaded; dates may lie."""
    path = checkpoint(tmp_path)
    verify_ahead(tmp_path)
    assert damage(path) is None
    injury(path)
    if path.exists():
        date_back(path)
    with pytest.raises(DamagedCheckpointError):
        read_pth(path)


@pytest.mark.parametrize("injury", INJURIES)
def test_damage_before_the_early_check_is_told_as_ever(
    injury: Callable[[Path], None], tmp_path: Path
) -> None:
    """An early check that fails changes nothing: the same words, from whoever asks."""
    path = checkpoint(tmp_path)
    injury(path)
    said = damage(path)
    if path.exists():
        date_back(path)
    verify_ahead(tmp_path)
    assert said is not None
    assert damage(path) == said


def test_what_was_changed_a_moment_ago_is_not_believed(
    tmp_path: Path, ahead: Ahead, asked: list[Path]
) -> None:
    """A second change in the same tick of a clock would not show: such a file is read again."""
    path = checkpoint(tmp_path)
    os.utime(path)
    ahead.begin([path])
    assert ahead.damage(path) is None
    assert ahead.damage(path) is None
    assert asked == [path, path]


def test_an_old_verdict_is_not_believed(
    tmp_path: Path, ahead: Ahead, asked: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was verified at the start is verified again when a job needs it much later."""
    path = checkpoint(tmp_path)
    ahead.begin([path])
    assert ahead.damage(path) is None
    assert ahead.damage(path) is None
    assert asked == [path]
    monkeypatch.setattr("holdfast.rundir.ahead._KEPT", 0.0)
    assert ahead.damage(path) is None
    assert asked == [path, path]
