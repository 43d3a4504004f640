"""A completed backbone: its result, its weights file, and taking both up after a crash."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from holdfast.checkpoint import CheckpointManager, read_pth
from holdfast.rundir import JOURNAL, KFOLD_PROGRESS, RECOVERY_STATE, Journal
from tests.checkpoint.injury import flip

NAME = "CustomConvNeXt"
Open = Callable[..., CheckpointManager]


def complete(manager: CheckpointManager, name: str = NAME, accuracy: float = 0.9) -> None:
    """Train a backbone, as far as its files go."""
    manager.save_backbone_checkpoint(name, {"w": torch.full((2,), accuracy)}, 25, stage="finetune")
    manager.mark_backbone_complete(name, {"accuracy": accuracy, "metrics": {"loss": 0.5}})


def lose_the_state(directory: Path) -> None:
    for name in (RECOVERY_STATE, KFOLD_PROGRESS, JOURNAL):
        (directory / name).unlink()


def test_guides_result_is_recorded(manager: CheckpointManager) -> None:
    """The guide's call: accuracy, history, metrics; the guide's final_… keys come of themselves."""
    acc, history, metrics = 0.945, {"val_acc": [0.9, 0.945]}, {"loss": 0.125, "f1": 0.94}
    manager.mark_backbone_complete(NAME, {"accuracy": acc, "history": history, "metrics": metrics})

    assert manager.load_pipeline_state()["results"][NAME] == {
        "accuracy": 0.945,
        "history": {"val_acc": [0.9, 0.945]},
        "metrics": {"loss": 0.125, "f1": 0.94},
        "final_accuracy": 0.945,
        "final_loss": 0.125,
    }
    assert manager.get_completed_backbones() == [NAME]
    assert manager.get_next_backbone_to_train() != NAME


def test_numpy_and_tensors_become_plain_json(manager: CheckpointManager, directory: Path) -> None:
    """Results as numpy and torch give them are numbers and lists on disk, and valid JSON."""
    manager.mark_backbone_complete(
        NAME,
        {
            "accuracy": np.float32(0.5),
            "loss": torch.tensor(0.25, requires_grad=True),
            "confusion": np.eye(2, dtype=np.int64),
            "history": {"lr": torch.linspace(0, 1, 3)},
            "path": Path("a"),
        },
    )
    written = json.loads((directory / RECOVERY_STATE).read_text())["results"][NAME]
    assert written == {
        "accuracy": 0.5,
        "loss": 0.25,
        "confusion": [[1, 0], [0, 1]],
        "history": {"lr": [0.0, 0.5, 1.0]},
        "path": "a",
        "final_accuracy": 0.5,
        "final_loss": 0.25,
    }


@pytest.mark.parametrize(
    "result",
    [
        *({"accuracy": "95 %"}, {"accuracy": [0.9, 0.95]}, {"accuracy": torch.tensor([0.9])}),
        *({"accuracy": None}, {"accuracy": float("nan")}, {"metrics": None}, {"metrics": [1]}, {}),
    ],
    ids=str,
)
def test_odd_results_do_no_harm(
    result: dict[str, object], manager: CheckpointManager, open_manager: Open
) -> None:
    """Whatever a result holds, the backbone is complete and every report can be written."""
    manager.mark_backbone_complete(NAME, result)
    manager.save_kfold_progress(NAME, 1, result)
    manager.mark_backbone_complete("CustomMaxViT", {"accuracy": 0.5})

    text = open_manager().export_recovery_summary().read_text()
    assert f"✓ {NAME:<28} complete" in text
    assert json.loads(json.dumps(manager.get_recovery_status(), allow_nan=False))["completed"] == 2


def test_weights_file_holds_the_newest_weights_and_the_result(
    manager: CheckpointManager, directory: Path
) -> None:
    """…_best.pth opens with torch.load and has no more than evaluation needs."""
    complete(manager)
    best = torch.load(directory / f"{NAME}_best.pth")
    assert best["model_state_dict"]["w"].tolist() == torch.full((2,), 0.9).tolist()
    assert best["result"]["final_accuracy"] == 0.9
    assert best["optimizer_state"] is None


def test_completing_twice_merges(manager: CheckpointManager, open_manager: Open) -> None:
    """A second result adds to the first and replaces what both have; it is no second completion."""
    manager.mark_backbone_complete(NAME, {"accuracy": 0.9, "note": "first"})
    open_manager().mark_backbone_complete(NAME, {"f1": 0.8, "note": "second"})

    assert manager.get_completed_backbones() == [NAME]
    assert open_manager().load_pipeline_state()["results"][NAME] == {
        "accuracy": 0.9,
        "final_accuracy": 0.9,
        "f1": 0.8,
        "note": "second",
    }


def test_result_is_taken_up_from_the_weights_file(open_manager: Open, directory: Path) -> None:
    """A crash between the weights file and the recovery state costs nothing: no second training."""
    manager = open_manager()
    complete(manager)
    manager.save_kfold_progress(NAME, 2, {"accuracy": 0.7})
    shutil.copy(directory / f"{NAME}_best.pth", directory / "kept")
    manager.close()
    lose_the_state(directory)

    manager = open_manager()
    manager.save_pipeline_state({})  # the first write makes it the writer
    assert manager.get_completed_backbones() == [NAME]
    assert manager.load_pipeline_state()["results"][NAME]["final_accuracy"] == 0.9
    assert (directory / f"{NAME}_best.pth").read_bytes() == (directory / "kept").read_bytes()


def test_damaged_weights_file_is_named_and_not_taken_up(
    open_manager: Open, directory: Path
) -> None:
    """What cannot be verified completes nothing: the backbone is trained again."""
    manager = open_manager()
    complete(manager)
    manager.close()
    lose_the_state(directory)
    flip(directory / f"{NAME}_best.pth")

    manager = open_manager()
    manager.save_pipeline_state({})
    assert manager.get_completed_backbones() == []
    assert manager.get_next_backbone_to_train() == NAME
    (noted,) = [r for r in Journal(directory).read() if r["event"] == "file_set_aside"]
    assert noted["file"] == f"{NAME}_best.pth"


def test_anothers_weights_file_completes_nothing(open_manager: Open, directory: Path) -> None:
    """A weights file copied under another backbone's name is not that backbone's result."""
    manager = open_manager()
    complete(manager)
    manager.close()
    shutil.copy(directory / f"{NAME}_best.pth", directory / "CustomMaxViT_best.pth")

    manager = open_manager()
    manager.save_pipeline_state({})
    assert manager.get_completed_backbones() == [NAME]
    (noted,) = [r for r in Journal(directory).read() if r["event"] == "file_set_aside"]
    assert f"holds {NAME}, not what its name says" in noted["reason"]


def test_weights_are_those_of_the_newest_good_checkpoint(
    manager: CheckpointManager, directory: Path
) -> None:
    """When the newest is damaged at completion, the best file is made of the one before."""
    for epoch in (24, 25):
        manager.save_backbone_checkpoint(NAME, {"w": torch.tensor([epoch])}, epoch)
    flip(directory / f"{NAME}_head_epoch25.pth")
    manager.mark_backbone_complete(NAME, {"accuracy": 0.9})
    assert read_pth(directory / f"{NAME}_best.pth")["model_state_dict"]["w"].tolist() == [24]
