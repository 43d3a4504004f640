"""The series as a whole: what its exit code says."""

from pathlib import Path

from holdfast.checkpoint import CheckpointStore, make_record
from holdfast.config import resolve
from holdfast.pipeline import Display, run_series
from holdfast.rundir import JobName, Position
from holdfast.training import StopRequest


def test_job_that_cannot_even_be_entered_is_in_the_exit_code(
    digits_folder: Path, tmp_path: Path
) -> None:
    """Whatever keeps a job from its result, exit code 0 means that every job has one."""
    job, start = JobName("CustomRegNet"), Position("head", 0)
    nonsense = make_record(job, start, model={}, history={"loss": 1})  # no lists
    CheckpointStore(tmp_path, run_id="known").save(job, start, nonsense)
    asked = {"data": str(digits_folder), "preset": "demo", "folds": 0}
    config = resolve({**asked, "backbones": str(job), "checkpoint_dir": str(tmp_path)})

    assert run_series(config, Display(), StopRequest()) == 1
