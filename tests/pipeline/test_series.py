"""The series as a whole: what its exit code says."""

import errno
from pathlib import Path

import pytest

from holdfast.checkpoint import CheckpointStore, make_record
from holdfast.config import resolve
from holdfast.pipeline import Display, run_series
from holdfast.rundir import JobName, Position, load_state
from holdfast.training import StopRequest


def test_job_that_cannot_even_be_entered_is_in_the_exit_code(
    digits_folder: Path, tmp_path: Path
) -> None:
    """Whatever keeps a job from its result, exit code 0 means that every job has one."""
    job, start = JobName("CustomRegNet"), Position("head", 0)
    nonsense = make_record(
        job, start, model={}, best={"metric": 1.0, "epoch": 0, "model": {"w": 1}}
    )
    CheckpointStore(tmp_path, run_id="known").save(job, start, nonsense)
    asked = {"data": str(digits_folder), "preset": "demo", "folds": 0}
    config = resolve({**asked, "backbones": str(job), "checkpoint_dir": str(tmp_path)})

    assert run_series(config, Display(), StopRequest()) == 1


class Refused(Display):
    """Meets a disk that refuses, as soon as a job begins."""

    def job_begins(self, job: JobName, resumed_from: Position | None) -> None:
        """Fail as a read does that nobody expected to."""
        raise OSError(errno.EIO, "Input/output error")


def test_disk_that_refuses_ends_the_series(digits_folder: Path, tmp_path: Path) -> None:
    """What the disk refuses to one job it refuses to the next: none is passed over for it."""
    asked = {"data": str(digits_folder), "preset": "demo", "folds": 0, "size": "tiny"}
    names = "CustomRegNet,CustomResNetMish"
    config = resolve({**asked, "backbones": names, "checkpoint_dir": str(tmp_path)})

    with pytest.raises(OSError, match="Input/output error"):
        run_series(config, Refused(), StopRequest())
    assert JobName("CustomResNetMish") not in load_state(tmp_path).failed
