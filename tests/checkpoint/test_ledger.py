"""The ledger writes each fact twice, and again when one of the two is lost."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast.checkpoint import Ledger
from holdfast.errors import StorageError
from holdfast.rundir import (
    JOURNAL,
    KFOLD_PROGRESS,
    RECOVERY_STATE,
    JobName,
    Journal,
    Position,
    load_state,
)
from tests.storage.disk import mounted
from tests.storage.test_full_disk import fill

JOB = JobName("CustomRegNet")
RUN = {"seed": 42, "stages": {"head": 2, "finetune": 3}}


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """A planned run that has not begun."""
    ledger = Ledger(tmp_path)
    ledger.plan(RUN, [str(JOB)], {str(JOB): 2})
    yield ledger
    ledger.close()


def test_plan_is_written_again_when_the_journal_is_lost(ledger: Ledger, tmp_path: Path) -> None:
    """A start after the loss of one file makes the run safe against the loss of another."""
    (tmp_path / JOURNAL).unlink()
    ledger.plan(RUN, [str(JOB)], {str(JOB): 2})
    (tmp_path / RECOVERY_STATE).unlink()
    (tmp_path / KFOLD_PROGRESS).unlink()

    state = load_state(tmp_path)
    assert (state.run, state.backbones, state.folds) == (RUN, [str(JOB)], {str(JOB): 2})


def test_same_plan_is_recorded_once(ledger: Ledger, tmp_path: Path) -> None:
    """Each start names its plan; the journal holds it once, and each other one after it."""
    for _ in range(2):
        ledger.plan(RUN, [str(JOB)], {str(JOB): 2})
    ledger.plan(RUN, [str(JOB), "more"], {})

    plans = [r["backbones"] for r in Journal(tmp_path).read() if r["event"] == "run_planned"]
    assert plans == [[str(JOB)], [str(JOB), "more"]]


def test_story_of_a_job(ledger: Ledger, tmp_path: Path) -> None:
    """Begun, failed, taken up, completed: at each step state and status text say so."""
    text = tmp_path / "recovery_status.txt"
    ledger.entered(JOB, None)
    assert (load_state(tmp_path).current_job, load_state(tmp_path).current_stage) == (JOB, "head")
    ledger.failed(JOB, "ValueError: no")
    assert load_state(tmp_path).failed == {JOB: "ValueError: no"}
    assert f"✗ {JOB}" in text.read_text()
    ledger.entered(JOB, Position("finetune", 1))
    assert load_state(tmp_path).failed == {}
    ledger.moved(JOB, Position("finetune", 2))
    assert load_state(tmp_path).current_epoch == 2
    ledger.completed(JOB, {"final_accuracy": 0.5}, seconds=3.0)
    state = load_state(tmp_path)
    assert state.results == {JOB: {"final_accuracy": 0.5}}
    assert (state.current_job, state.current_stage, state.current_epoch) == (None, None, None)
    assert f"✓ {JOB}" in text.read_text()
    told = [record["event"] for record in Journal(tmp_path).read()]
    events = ["run_planned", "job_started", "job_failed", "job_resumed", "moved", "job_completed"]
    assert told == events


def test_result_is_not_acknowledged_on_a_full_disk() -> None:
    """A result that could not be written is refused aloud; what was complete still is."""
    with mounted("size=1m") as disk:
        ledger = Ledger(disk)
        ledger.completed(JOB, {"final_accuracy": 0.5})
        ballast = fill(disk)
        with pytest.raises(StorageError, match="the disk is full"):
            ledger.completed(JobName("CustomMaxViT"), {"big": "x" * 10_000})
        assert load_state(disk).results == {JOB: {"final_accuracy": 0.5}}
        ballast.unlink()
        ledger.completed(JobName("CustomMaxViT"), {"final_accuracy": 0.25})
        assert load_state(disk).completed_backbones == [str(JOB), "CustomMaxViT"]
        ledger.close()
