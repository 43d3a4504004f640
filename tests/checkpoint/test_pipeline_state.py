"""save_pipeline_state and load_pipeline_state: the guide's keys in, the guide's keys out."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from holdfast.checkpoint import CheckpointManager
from holdfast.config import BACKBONES
from holdfast.errors import UsageError
from holdfast.rundir import RECOVERY_STATE

GUIDE = {
    "completed_backbones": ["CustomConvNeXt", "CustomEfficientNetV4"],
    "current_backbone": "CustomGhostNetV2",
    "current_stage": "finetune",
    "current_epoch": 15,
    "results": {"CustomConvNeXt": {"final_accuracy": 0.95, "final_loss": 0.12}},
}


def test_state_comes_back_under_the_guides_keys(
    open_manager: Callable[..., CheckpointManager],
) -> None:
    """What was saved is loaded, by this manager and by one made after a restart."""
    manager = open_manager()
    manager.save_pipeline_state(GUIDE)

    for reader in (manager, open_manager()):
        state = reader.load_pipeline_state()
        assert state.pop("timestamp")
        assert state.pop("results") == {**GUIDE["results"], "CustomEfficientNetV4": {}}
        assert state == {key: GUIDE[key] for key in GUIDE if key != "results"}
        assert reader.get_completed_backbones() == GUIDE["completed_backbones"]
        assert reader.get_next_backbone_to_train() == "CustomGhostNetV2"


def test_file_is_the_guides(manager: CheckpointManager, directory: Path) -> None:
    """The JSON on disk holds the guide's keys and values."""
    manager.save_pipeline_state(GUIDE)
    written = json.loads((directory / RECOVERY_STATE).read_text())
    assert {key: written[key] for key in GUIDE if key != "results"} == {
        key: GUIDE[key] for key in GUIDE if key != "results"
    }
    assert written["results"]["CustomConvNeXt"] == GUIDE["results"]["CustomConvNeXt"]


def test_guides_interruption_is_recorded(manager: CheckpointManager) -> None:
    """The guide's call on Ctrl-C: a list, a backbone, and a stage that is none."""
    manager.mark_backbone_complete("CustomConvNeXt", {"accuracy": 0.9})
    manager.save_pipeline_state(
        {
            "completed_backbones": manager.get_completed_backbones(),
            "current_backbone": "CustomMaxViT",
            "current_stage": "interrupted",
        }
    )
    state = manager.load_pipeline_state()
    assert (state["current_backbone"], state["current_stage"]) == ("CustomMaxViT", "interrupted")
    assert state["results"] == {"CustomConvNeXt": {"accuracy": 0.9, "final_accuracy": 0.9}}


def test_completed_backbones_are_never_forgotten(manager: CheckpointManager) -> None:
    """A shorter list, or none, does not undo a completion: only a reset does."""
    manager.save_pipeline_state(GUIDE)
    manager.save_pipeline_state({"completed_backbones": [], "current_backbone": None})
    manager.save_pipeline_state({"current_epoch": 3})

    assert manager.get_completed_backbones() == GUIDE["completed_backbones"]
    state = manager.load_pipeline_state()
    assert (state["current_backbone"], state["current_epoch"]) == (None, 3)


@pytest.mark.parametrize("lost", [None, RECOVERY_STATE])
def test_own_keys_are_kept(
    lost: str | None, open_manager: Callable[..., CheckpointManager], directory: Path
) -> None:
    """Keys that are not the guide's come back as they were, also when their file is lost."""
    mine = {"note": "hello", "best": np.float32(0.5), "list": (1, 2)}
    open_manager().save_pipeline_state({**GUIDE, **mine})
    open_manager().save_pipeline_state({"second": True})
    if lost:
        (directory / lost).unlink()

    state = open_manager().load_pipeline_state()
    assert {key: state[key] for key in mine} == {"note": "hello", "best": 0.5, "list": [1, 2]}
    assert state["second"] is True
    assert state["completed_backbones"] == GUIDE["completed_backbones"]


def test_nothing_saved_is_none(manager: CheckpointManager) -> None:
    """The guide's "No previous state found": before anything was trained, and after a reset."""
    assert manager.load_pipeline_state() is None
    manager.export_recovery_summary()
    assert manager.load_pipeline_state() is None
    manager.save_pipeline_state({**GUIDE, "mine": 1})
    manager.reset_recovery()
    assert manager.load_pipeline_state() is None


def test_impossible_name_is_refused(manager: CheckpointManager) -> None:
    """A backbone that could have no checkpoints cannot be the current one."""
    with pytest.raises(UsageError, match=r"backbone name '\.\./x'"):
        manager.save_pipeline_state({"current_backbone": "../x"})
    with pytest.raises(UsageError, match=r"backbone name '\.\./x'"):
        manager.save_pipeline_state({"completed_backbones": ["../x"]})


def test_series_can_be_the_users_own(open_manager: Callable[..., CheckpointManager]) -> None:
    """With a list of backbones the status is about those, in their order."""
    manager = open_manager(backbones=["b", "a", "my_net"])
    manager.mark_backbone_complete("b", {})
    status = manager.get_recovery_status()
    assert (status["completed"], status["total_backbones"], status["remaining"]) == (1, 3, 2)
    assert status["next_backbone"] == "a"
    for name in ("a", "my_net"):
        manager.mark_backbone_complete(name, {})
    assert manager.get_next_backbone_to_train() is None
    assert len(BACKBONES) == open_manager().get_recovery_status()["total_backbones"]
