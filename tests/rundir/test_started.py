"""How a run was last started, as the journal has it."""

from dataclasses import replace
from pathlib import Path

from holdfast.rundir import JOURNAL, Journal, Started, last_start, record_start

START = Started(["--data", "my photos", "--folds", "0"], "/home/me", "/home/me/checkpoints")


def test_last_start_is_found_among_other_records(tmp_path: Path) -> None:
    """The newest one counts; a run that `holdfast train` never started has none."""
    assert last_start(tmp_path) is None
    journal = Journal(tmp_path)
    journal.append("run_planned", run={}, backbones=[], folds={})
    assert last_start(tmp_path) is None

    record_start(tmp_path, START)
    other = replace(START, command=["--seed", "1"])
    record_start(tmp_path, other)
    journal.append("job_started", job="net")
    assert last_start(tmp_path) == other


def test_same_start_is_recorded_once(tmp_path: Path) -> None:
    """A run restarted a thousand times has no thousand records of how."""
    record_start(tmp_path, START)
    once = (tmp_path / JOURNAL).read_bytes()
    record_start(tmp_path, START)
    assert (tmp_path / JOURNAL).read_bytes() == once

    record_start(tmp_path, replace(START, cwd="/elsewhere"))
    record_start(tmp_path, START)
    assert last_start(tmp_path) == START
    assert len(Journal(tmp_path).read()) == 3


def test_damaged_record_is_passed_over(tmp_path: Path) -> None:
    """A line that the disk has changed is not the command of a boot."""
    record_start(tmp_path, START)
    record_start(tmp_path, replace(START, command=["--seed", "1"]))
    path = tmp_path / JOURNAL
    path.write_bytes(path.read_bytes().replace(b'"--seed", "1"', b'"--seed", "2"'))

    assert last_start(tmp_path) == START
