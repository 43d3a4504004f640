"""How a run stands, read from its files by anyone at any time."""

from pathlib import Path

import pytest

from holdfast.rundir import (
    JobName,
    Journal,
    Position,
    RecoveryState,
    checkpoint_path,
    load_state,
    save_state,
)
from holdfast.status import STARTED, JobStatus, Status, read_status
from holdfast.status.rows import rows_of
from tests.status.whole import write_whole

A, B, C = JobName("CustomConvNeXt"), JobName("CustomMobileOne"), JobName("CustomMaxViT")
NAMES = [str(job) for job in (A, B, C)]
STAGES = {"head": 2, "finetune": 7}


@pytest.fixture
def half_way(tmp_path: Path) -> Path:
    """A is complete, B is inside an epoch, C has failed; A's first fold is done, of two."""
    state = RecoveryState(
        backbones=NAMES,
        folds={str(A): 2},
        results={A: {"final_accuracy": 0.9}, JobName(str(A), 1): {"final_accuracy": 0.8}},
        failed={C: "ValueError: no"},
        current_job=B,
        current_stage="finetune",
        current_epoch=3,
        run={"stages": STAGES},
    )
    journal = Journal(tmp_path)
    journal.append("job_resumed", job=str(A), stage="head", epoch=1, step=0)
    journal.append("job_resumed", job=str(A), stage="head", epoch=2, step=0)
    journal.append("job_completed", job=str(A), result={"final_accuracy": 0.9}, seconds=12.5)
    for job, position in [
        (A, Position("finetune", 7)),
        (B, Position("head", 2)),
        (B, Position("finetune", 3)),
        (B, Position("finetune", 3, 40)),
    ]:
        write_whole(checkpoint_path(tmp_path, job, position))
    save_state(tmp_path, state)
    return tmp_path


def job(status: Status, name: JobName) -> JobStatus:
    (found,) = [j for j in status.jobs if j.job == str(name)]
    return found


def test_empty_directory_has_everything_before_it(tmp_path: Path) -> None:
    """Nothing to recover, all backbones pending, and nothing is written by looking."""
    for directory in (tmp_path, tmp_path / "none"):
        status = read_status(directory, NAMES)
        assert not status.recovery_available
        assert (status.total_backbones, status.completed, status.remaining) == (3, 0, 3)
        assert status.next_backbone == str(A)
        assert {j.state for j in status.jobs} == {"pending"}
        assert (status.current_backbone, status.bytes, status.timestamp) == (None, 0, "")
    assert list(tmp_path.iterdir()) == []


def test_half_way(half_way: Path) -> None:
    """Each job is complete, started, failed or pending, and a started one says where it is."""
    status = read_status(half_way)

    assert status.recovery_available
    assert (status.total_backbones, status.completed, status.remaining) == (3, 1, 2)
    assert status.next_backbone == str(B)
    assert (status.current_backbone, status.current_stage) == (str(B), "finetune")
    assert status.current_epoch == 3
    assert [j.state for j in status.jobs] == [
        "complete",
        "started",
        "failed",
        "complete",
        "pending",
    ]
    assert [(j.backbone, j.fold) for j in status.jobs[3:]] == [(str(A), 1), (str(A), 2)]
    assert status.bytes == 4 * write_whole(half_way / "one_more.zip")
    assert status.timestamp == load_state(half_way).timestamp


def test_started_job_stands_at_its_newest_checkpoint(half_way: Path) -> None:
    """Stage, epoch of how many, and step, in the order of the run's stages."""
    b = job(read_status(half_way), B)
    assert (b.stage, b.epoch, b.epochs, b.step) == ("finetune", 3, 7, 40)


def test_completed_job_has_its_result_time_and_interruptions(half_way: Path) -> None:
    """They come from the state and the journal."""
    a = job(read_status(half_way), A)
    assert a.result == {"final_accuracy": 0.9}
    assert (a.interruptions, a.seconds) == (2, 12.5)
    assert job(read_status(half_way), C).error == "ValueError: no"


def test_a_result_counts_only_while_its_job_is_complete(half_way: Path) -> None:
    """More epochs were asked for: what fewer of them gave is neither shown nor averaged."""
    state = load_state(half_way)
    state.results[A] = {"final_accuracy": 0.9, "stages": {**STAGES, "finetune": 6}}
    save_state(half_way, state)

    status = read_status(half_way)
    assert job(status, A).state == STARTED
    assert job(status, A).result == {}
    assert [row.fold_scores for row in rows_of(status)] == ["0.800 (1/2)", "", ""]


def test_finished_run_has_nothing_next(half_way: Path) -> None:
    """With every backbone complete there is no next one, whatever the folds."""
    state = load_state(half_way)
    state.results |= {B: {}, C: {}}
    state.failed = {}
    save_state(half_way, state)

    status = read_status(half_way)
    assert (status.completed, status.remaining, status.next_backbone) == (3, 0, None)
    assert [j.state for j in status.with_state("pending", folds=True)] == ["pending"]
    assert status.with_state("pending", folds=False) == []


def test_checkpoints_without_any_state_can_be_recovered(tmp_path: Path) -> None:
    """Of a directory with nothing but .pth files, the status says that there is something."""
    write_whole(checkpoint_path(tmp_path, B, Position("head", 1)))
    status = read_status(tmp_path, NAMES)
    assert status.recovery_available
    assert job(status, B).state == "started"
    assert status.current_backbone == str(B)


def test_planned_run_that_has_not_begun_is_nothing_to_recover(tmp_path: Path) -> None:
    """A plan alone is not progress; its backbones are the series."""
    save_state(tmp_path, RecoveryState(backbones=["x", "y"], run={"stages": STAGES}))
    status = read_status(tmp_path, NAMES)
    assert not status.recovery_available
    assert [j.job for j in status.jobs] == ["x", "y"]
