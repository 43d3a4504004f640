"""Starting over: all that is to be forgotten is, whenever a crash comes, and nothing else."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from holdfast.checkpoint import CheckpointManager, Ledger
from holdfast.rundir import JobName, Journal, Position, load_state

KEPT, GONE = "CustomConvNeXt", "CustomMaxViT"
Open = Callable[..., CheckpointManager]


@pytest.fixture
def manager(open_manager: Open) -> CheckpointManager:
    """Two backbones complete, a fold of each, one failed, and one key of the user's own."""
    manager = open_manager()
    manager._writable().plan({"seed": 1}, [KEPT, GONE], {KEPT: 2, GONE: 2})
    for name in (KEPT, GONE):
        manager.save_backbone_checkpoint(name, {"w": torch.ones(2)}, 3)
        manager.mark_backbone_complete(name, {"accuracy": 0.9})
        manager.save_backbone_checkpoint(name, {"w": torch.ones(2)}, 1, fold=1)
        manager.save_kfold_progress(name, 1, {"accuracy": 0.8})
        manager._ledger.failed(JobName(name, 2), "ValueError: no")
    manager.save_pipeline_state({"note": "mine"})
    return manager


def files(directory: Path, name: str = "") -> list[str]:
    return sorted(path.name for path in directory.glob(f"{name}*.pth"))


def test_reset_of_one_backbone_leaves_the_others(
    manager: CheckpointManager, directory: Path
) -> None:
    """Its checkpoints, results, folds and failure go; the plan and all others' stay."""
    others = files(directory, KEPT)
    manager.reset_recovery(GONE)

    state = load_state(directory)
    assert files(directory) == others
    assert set(state.results) == {JobName(KEPT), JobName(KEPT, 1)}
    assert set(state.failed) == {JobName(KEPT, 2)}
    assert (state.run, state.backbones) == ({"seed": 1}, [KEPT, GONE])
    assert state.extra == {"note": "mine"}
    assert manager.get_next_backbone_to_train() == GONE


def test_reset_of_all_leaves_nothing(manager: CheckpointManager, directory: Path) -> None:
    """After the guide's reset_recovery() a start begins as in an empty directory."""
    (directory / "notes.txt").write_text("mine")
    manager.reset_recovery()

    status = manager.get_recovery_status()
    assert files(directory) == []
    assert (status["recovery_available"], status["completed"]) == (False, 0)
    assert manager.load_pipeline_state() is None
    assert load_state(directory).run == {}
    assert (directory / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("backbone", [None, GONE])
def test_run_after_a_reset_remembers_everything(
    backbone: str | None, manager: CheckpointManager, open_manager: Open, directory: Path
) -> None:
    """A reset forgets what was before it, once: not what comes after it, at each start again."""
    manager.reset_recovery(backbone)
    manager.save_backbone_checkpoint(GONE, {"w": torch.ones(2)}, 5)
    manager.save_pipeline_state({"later": 1})
    manager._ledger.failed(JobName(GONE), "ValueError: again")

    state = load_state(directory)
    assert state.failed[JobName(GONE)] == "ValueError: again"
    assert (state.current_job, state.current_epoch) == (JobName(GONE), 5)
    assert state.extra["later"] == 1
    assert open_manager().get_recovery_status()["current_backbone"] == GONE


@pytest.mark.parametrize("backbone", [None, GONE])
def test_reset_cut_short_is_finished_by_the_next_writer(
    backbone: str | None, manager: CheckpointManager, open_manager: Open, directory: Path
) -> None:
    """A crash right after the journal's "reset": the next start carries it out, once."""
    manager.close()
    Journal(directory).append("reset", backbone=backbone)
    others = [] if backbone is None else files(directory, KEPT)

    ledger = Ledger(directory)
    ledger.hold()
    ledger.close()
    assert files(directory) == others
    assert not Journal(directory).has("reset")
    open_manager().save_backbone_checkpoint(GONE, {"w": torch.ones(2)}, 1)
    Ledger(directory).hold()
    assert files(directory, GONE) == [f"{GONE}_head_epoch1.pth"]


def test_reset_of_nothing_is_no_error(open_manager: Open, directory: Path) -> None:
    """A directory without a run, or an unknown backbone, can be reset as often as one likes."""
    manager = open_manager()
    for backbone in (None, "CustomMaxViT", None):
        manager.reset_recovery(backbone)
    assert files(directory) == []
    assert manager.get_next_backbone_to_train() == KEPT


def test_journal_keeps_the_others_records(manager: CheckpointManager, directory: Path) -> None:
    """Only the forgotten backbone's records leave the journal."""
    ledger = manager._ledger
    for name in (KEPT, GONE):
        ledger.entered(JobName(name, 2), Position("head", 1))
    manager.reset_recovery(GONE)
    jobs = {record["job"] for record in Journal(directory).read() if "job" in record}
    assert jobs == {KEPT, f"{KEPT}_fold1", f"{KEPT}_fold2"}
