"""The curves of a run and its interruptions, from what it leaves on disk."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import torch

from holdfast.checkpoint import CheckpointManager, Ledger
from holdfast.rundir import JOURNAL, JobName, Journal, Position, Told
from holdfast.status import JobStatus, Status, read_past, read_status, time_left

A, B = JobName("CustomConvNeXt"), JobName("CustomMobileOne")
STAGES = {"head": 2, "finetune": 4}
START = datetime(2026, 1, 1)


def epoch(
    job: JobName, stage: str, number: int, at: float = 0.0, **values: float
) -> dict[str, Any]:
    time = (START + timedelta(seconds=at)).isoformat()
    row = {"stage": stage, "epoch": number, **values}
    return {"time": time, "event": "epoch", "job": str(job), **row}


def resumed(job: JobName, position: Position, at: float = 0.0, **more: float) -> dict[str, Any]:
    time = (START + timedelta(seconds=at)).isoformat()
    return {"time": time, "event": "job_resumed", "job": str(job), **vars(position), **more}


def test_a_curve_has_each_epoch_once_and_a_mark_where_it_was_interrupted(tmp_path: Path) -> None:
    """An epoch that was trained again counts as it was the last time; marks are between epochs."""
    Journal(tmp_path).extend(
        [
            *(epoch(A, "head", 1, val_acc=0.1), epoch(A, "head", 2, val_acc=0.2)),
            *(epoch(A, "finetune", 1, val_acc=0.3), epoch(B, "head", 1, val_acc=0.9)),
            resumed(A, Position("finetune", 1, 7)),
            resumed(A, Position("head", 2)),
            *(epoch(A, "finetune", 1, val_acc=0.4), epoch(A, "finetune", 2, val_acc=0.5)),
        ]
    )

    curve = read_past(tmp_path).curves[str(A)]

    assert curve.values("val_acc") == [0.1, 0.2, 0.4, 0.5]
    assert curve.values("val_loss") == [None] * 4
    assert curve.stage_starts == {"head": 0, "finetune": 2}
    assert curve.marks == [3.5, 2]


def test_an_interruption_tells_what_it_spared_and_what_it_cost(tmp_path: Path) -> None:
    """A crash costs up to a saving interval, a stop that was asked for nothing; old lines: None."""
    ledger = Ledger(tmp_path)
    ledger.entered(A, None)
    ledger.entered(A, Position("head", 1, 3), 60.0, 5.0)
    ledger.interrupted(A, "head epoch 2")
    ledger.entered(A, Position("head", 2), 90.0, 5.0)
    ledger.close()
    Journal(tmp_path).extend([resumed(B, Position("head", 1), at=10.0**9)])

    stops = read_past(tmp_path).interruptions

    told = [(s.job, s.position, s.asked_for, s.spared, s.lost) for s in stops]
    assert told == [
        (str(A), Position("head", 1, 3), False, 60.0, 5.0),
        (str(A), Position("head", 2), True, 90.0, 0.0),
        (str(B), Position("head", 1), False, None, None),
    ]


def test_a_lost_journal_leaves_the_curves_in_the_files(tmp_path: Path) -> None:
    """What a complete job learned stands in its weights file too."""
    history = {"stage": ["head", "head"], "epoch": [1, 2], "val_acc": [0.5, 0.75]}
    model = torch.nn.Linear(1, 1).state_dict()
    manager = CheckpointManager(tmp_path)
    manager.save_backbone_checkpoint(str(A), model, 2, {}, history, stage="head")
    (tmp_path / JOURNAL).unlink()

    past = read_past(tmp_path, [str(A), str(B)])

    assert past.curves.keys() == {str(A)}
    assert past.curves[str(A)].values("val_acc") == [0.5, 0.75]


@pytest.fixture
def half_way(tmp_path: Path) -> Path:
    """A took 100 s; B has done one of its two stages and 3 of 4 epochs at 10 s, with a gap."""
    ledger = Ledger(tmp_path)
    ledger.plan({"stages": STAGES}, [str(A), str(B)], {str(A): 2})
    ledger.completed(A, {"final_accuracy": 0.5}, 100.0, weights=False)
    ledger.entered(B, None)
    ledger.close()
    finetune = [epoch(B, "finetune", n, at=at) for n, at in ((1, 20.0), (2, 30.0))]
    Journal(tmp_path).extend(
        [
            *(epoch(B, "head", n, at=float(n)) for n in (1, 2)),
            *finetune,
            resumed(B, Position("finetune", 2), at=5000.0),
            epoch(B, "finetune", 3, at=5010.0),
        ]
    )
    return tmp_path


def test_time_left_goes_by_what_was_measured(half_way: Path) -> None:
    """An epoch of B, and two folds as long as the job they are folds of; no gap counts."""
    status = in_training(read_status(half_way), B)

    assert time_left(status, read_past(half_way)) == pytest.approx(10.0 + 2 * 100.0)


def test_time_left_is_unknown_where_nothing_was_measured(tmp_path: Path) -> None:
    """Before the first epochs there is no figure, rather than an invented one."""
    ledger = Ledger(tmp_path)
    ledger.plan({"stages": STAGES}, [str(A)], {})
    ledger.entered(A, None)
    ledger.close()

    assert time_left(in_training(read_status(tmp_path), A), read_past(tmp_path)) is None


def in_training(status: Status, job: JobName) -> Status:
    """Return the status as it is with a checkpoint of ``job`` there."""

    def begun(one: JobStatus) -> JobStatus:
        return replace(one, state="started") if one.job == str(job) else one

    return replace(status, jobs=[begun(one) for one in status.jobs])


def test_an_extension_is_no_interruption(tmp_path: Path) -> None:
    """A complete job that got more epochs stood still and lost nothing; a kill later counts."""
    done = {
        "event": "job_completed",
        "job": str(A),
        "result": {"final_accuracy": 0.5},
        "seconds": 9.0,
    }
    Journal(tmp_path).extend(
        [
            *(epoch(A, "head", 1), epoch(A, "finetune", 1), {"time": START.isoformat(), **done}),
            *(resumed(A, Position("finetune", 1), interval=5.0), epoch(A, "finetune", 2)),
            *(resumed(A, Position("finetune", 2), interval=5.0), epoch(A, "finetune", 3)),
        ]
    )

    past, told = read_past(tmp_path), Told().add(Journal(tmp_path).read())

    assert [(s.position.epoch, s.lost) for s in past.interruptions] == [(2, 5.0)]
    assert past.curves[str(A)].marks == [3]
    assert past.curves[str(A)].waits == [2, 3]
    assert told.interruptions == {str(A): 1}
    assert not told.seconds, "it is not complete any more"
