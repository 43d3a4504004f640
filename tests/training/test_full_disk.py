"""A disk that fills up while a job trains."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import holdfast
from holdfast.errors import StorageError
from holdfast.rundir import JobName
from holdfast.training import Run
from tests.storage.disk import mounted
from tests.training.conftest import make_model, train_job
from tests.training.test_exact_resume import NOT_EXACT, assert_same, finish


class Filler:
    """Fills the disk before one optimizer step, and frees it before a later one."""

    def __init__(self, disk: Path, full_at: int, free_at: int | None) -> None:
        self.ballast, self.full_at, self.free_at = disk / "ballast", full_at, free_at
        self.steps = 0

    def state_dict(self) -> dict[str, Any]:
        """Be asked for at each save, just before it is written."""
        self.steps += 1
        if self.steps == self.full_at:
            with self.ballast.open("wb", buffering=0) as file:
                while True:
                    try:
                        file.write(bytes(4096))
                    except OSError:
                        break
        if self.steps == self.free_at:
            self.ballast.unlink()
        return {}

    def load_state_dict(self, state_dict: Any) -> None:
        """Have no state."""


def train_on(disk: Path, filler: Filler) -> Run:
    """Train a job that is saved at every step."""
    run = holdfast.open(disk / "run", save_interval=0.0)
    model = make_model()
    with run.job("net", state={"model": model, "filler": filler}) as job:
        train_job(job, model)
        job.complete(accuracy=1.0)
    return run


def test_training_goes_on_when_a_checkpoint_inside_an_epoch_does_not_fit(
    open_run: Callable[..., Run], caplog: pytest.LogCaptureFixture
) -> None:
    """It is told, with what is needed and free; once there is space, all is as if never full."""
    calm = finish(open_run())
    with mounted("size=8m") as disk, caplog.at_level("WARNING", "holdfast"):
        run = train_on(disk, Filler(disk, full_at=4, free_at=6))
        record = run.store.load(run.store.newest_first(JobName("net"))[0])
        run.close()
    assert "NOT saved, training goes on" in caplog.text
    assert "the disk is full" in caplog.text and "are needed" in caplog.text
    del record["objects"], calm["objects"]
    assert_same({key: record[key] for key in record.keys() - NOT_EXACT}, calm)


def test_training_stops_when_an_epochs_checkpoint_does_not_fit() -> None:
    """The epoch cannot be lost silently: the run ends, and what was saved before stands."""
    with mounted("size=8m") as disk:
        with pytest.raises(StorageError, match="the disk is full") as caught:
            train_on(disk, Filler(disk, full_at=4, free_at=None))
        assert caught.value.exit_code == 5
        assert len(list((disk / "run").glob("*.pth"))) >= 2
        assert not list((disk / "run").glob(".*.tmp"))
