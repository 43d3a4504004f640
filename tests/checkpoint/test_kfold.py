"""Progress of a cross-validation: what is done of which fold, after any restart."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from holdfast.checkpoint import CheckpointManager
from holdfast.errors import UsageError
from holdfast.rundir import JOURNAL, KFOLD_PROGRESS

NAME = "CustomCoAtNet"


def test_completed_folds_are_loaded_after_a_restart(
    open_manager: Callable[..., CheckpointManager],
) -> None:
    """The guide's scenario: folds 1 and 2 of 5 are done, fold 3 is to be resumed."""
    open_manager().save_kfold_progress(NAME, 1, {"accuracy": 0.9}, folds=5)
    open_manager().save_kfold_progress(NAME, 2, {"accuracy": 0.8})

    manager = open_manager()
    done = manager.load_kfold_progress(NAME)
    assert {fold: result["final_accuracy"] for fold, result in done.items()} == {1: 0.9, 2: 0.8}
    jobs = manager.get_recovery_status()["jobs"]
    folds = [job for job in jobs if job["fold"] is not None]
    assert [job["job"] for job in folds] == [f"{NAME}_fold{fold}" for fold in range(1, 6)]
    assert [job["state"] for job in folds] == ["complete"] * 2 + ["pending"] * 3
    assert manager.get_completed_backbones() == [], "folds do not complete their backbone"


def test_file_is_json_by_backbone_and_fold(manager: CheckpointManager, directory: Path) -> None:
    """.kfold_progress.json says how many folds there are and what came of the completed ones."""
    manager.save_kfold_progress(NAME, 1, {"accuracy": 0.9}, folds=5)
    written = json.loads((directory / KFOLD_PROGRESS).read_text())
    assert written["folds"] == {NAME: 5}
    assert written["completed"] == {NAME: {"1": {"accuracy": 0.9, "final_accuracy": 0.9}}}


@pytest.mark.parametrize("lost", [KFOLD_PROGRESS, JOURNAL])
def test_progress_survives_the_loss_of_a_file(
    lost: str, open_manager: Callable[..., CheckpointManager], directory: Path
) -> None:
    """Results and the number of folds stand twice."""
    open_manager().save_kfold_progress(NAME, 1, {"accuracy": 0.9}, folds=5)
    before = open_manager().get_recovery_status()["jobs"]
    (directory / lost).unlink()

    assert open_manager().load_kfold_progress(NAME)[1]["accuracy"] == 0.9
    assert [job["job"] for job in open_manager().get_recovery_status()["jobs"]] == [
        job["job"] for job in before
    ]


def test_number_of_folds_does_not_shrink_or_vanish(
    open_manager: Callable[..., CheckpointManager],
) -> None:
    """Saving a fold without saying of how many keeps what is known, also in a planned run."""
    manager = open_manager()
    manager._writable().plan({"seed": 1}, [NAME], {})
    manager.save_kfold_progress(NAME, 2, {}, folds=3)
    manager.save_kfold_progress(NAME, 1, {})

    jobs = open_manager().get_recovery_status()["jobs"]
    assert [job["fold"] for job in jobs] == [None, 1, 2, 3]


def test_folds_checkpoints_are_their_own(manager: CheckpointManager) -> None:
    """A fold's checkpoint is found as the fold's, and by nobody else."""
    path = manager.save_backbone_checkpoint(NAME, {"w": torch.ones(1)}, 7, fold=3)
    assert path.name == f"{NAME}_fold3_head_epoch7.pth"
    assert manager.load_backbone_checkpoint(NAME, fold=3)["fold"] == 3
    assert manager.load_backbone_checkpoint(NAME) is None
    assert manager.load_backbone_checkpoint(NAME, fold=2) is None


def test_folds_are_counted_from_one(manager: CheckpointManager) -> None:
    """Fold 0 is a mistake, and said to be one."""
    with pytest.raises(UsageError, match="fold 0: folds are counted from 1"):
        manager.save_kfold_progress(NAME, 0, {})
