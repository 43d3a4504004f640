"""CheckpointManager by the guide's method names, arguments and returned keys."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from holdfast.checkpoint import CheckpointManager
from holdfast.config import BACKBONES
from holdfast.errors import DamagedCheckpointError, UsageError
from holdfast.rundir import Journal
from tests.checkpoint.conftest import Trained
from tests.checkpoint.injury import flip, same, truncate

NAME = "CustomSwinTransformer"


def save(manager: CheckpointManager, epoch: int, stage: str = "finetune", step: int = 0) -> Path:
    return manager.save_backbone_checkpoint(
        NAME, {"w": torch.ones(2)}, epoch, stage=stage, step=step
    )


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.glob("*.pth"))


def test_defaults_are_the_guides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without arguments it is about all fifteen backbones in checkpoints/, and writes nothing."""
    monkeypatch.chdir(tmp_path)
    manager = CheckpointManager()
    status = manager.get_recovery_status()

    assert manager.checkpoint_dir == Path("checkpoints")
    assert status["total_backbones"] == status["remaining"] == 15
    assert status["completed"] == 0
    assert status["recovery_available"] is False
    assert status["next_backbone"] == manager.get_next_backbone_to_train() == BACKBONES[0]
    assert manager.load_pipeline_state() is None
    assert manager.get_completed_backbones() == []
    assert manager.load_backbone_checkpoint(BACKBONES[0]) is None
    assert list(tmp_path.iterdir()) == []


def test_saves_by_the_guides_arguments(
    manager: CheckpointManager, directory: Path, trained: Trained
) -> None:
    """The guide's call, verbatim, makes the guide's file, and loading gives it all back."""
    model, optimizer, scheduler = trained.model, trained.optimizer, trained.scheduler
    path = manager.save_backbone_checkpoint(
        backbone_name="CustomSwinTransformer",
        model_state_dict=model.state_dict(),
        epoch=20,
        metrics={"accuracy": 0.94, "loss": 0.15},
        history={"train_loss": [0.5], "train_acc": [0.8], "val_loss": [0.6], "val_acc": [0.7]},
        optimizer_state=optimizer.state_dict(),
        scheduler_state=scheduler.state_dict(),
        stage="finetune",
    )
    assert path == directory / "CustomSwinTransformer_finetune_epoch20.pth"
    record = manager.load_backbone_checkpoint(NAME)
    assert record["metrics"] == {"accuracy": 0.94, "loss": 0.15}
    assert record["history"]["val_acc"] == [0.7]
    assert same(dict(record["model_state_dict"]), dict(model.state_dict()))
    assert same(record["optimizer_state"], optimizer.state_dict())
    assert same(record["scheduler_state"], scheduler.state_dict())
    assert (record["epoch"], record["stage"], record["device"]) == (20, "finetune", "cpu")


def test_status_follows_what_is_saved(manager: CheckpointManager) -> None:
    """After a crash inside a backbone the status says where it stands."""
    save(manager, 15)
    status = manager.get_recovery_status()
    assert status["recovery_available"] is True
    assert (status["current_backbone"], status["current_stage"]) == (NAME, "finetune")
    assert status["current_epoch"] == 15
    assert (status["completed"], status["remaining"]) == (0, 15)


def test_loading_takes_the_newest_good_one(manager: CheckpointManager, directory: Path) -> None:
    """A damaged newest checkpoint is moved aside with the reason; the one before it is used."""
    for epoch in (1, 2, 3):
        save(manager, epoch)
    flip(directory / f"{NAME}_finetune_epoch3.pth")

    assert manager.load_backbone_checkpoint(NAME)["epoch"] == 2
    (noted,) = [r for r in Journal(directory).read() if r["event"] == "file_set_aside"]
    assert noted["file"] == f"{NAME}_finetune_epoch3.pth"
    assert not (directory / noted["file"]).exists()
    assert (directory / "damaged" / noted["file"]).exists()
    reason = (directory / "damaged" / f"{noted['file']}.reason.txt").read_text()
    assert reason == f"{noted['reason']}\n"


def test_loading_one_stage_or_one_epoch(manager: CheckpointManager, directory: Path) -> None:
    """A stage gives its newest good checkpoint, an epoch that very one, mid-epoch ones by step."""
    save(manager, 39, "head")
    save(manager, 40, "head")
    save(manager, 15)
    save(manager, 15, step=120)

    def place(**wanted: object) -> tuple[str, int, int] | None:
        record = manager.load_backbone_checkpoint(NAME, **wanted)
        return record and (record["stage"], record["epoch"], record["step"])

    assert place() == ("finetune", 15, 120)
    assert place(stage="head") == ("head", 40, 0)
    assert place(epoch=15) == ("finetune", 15, 0)
    assert place(epoch=15, step=120) == ("finetune", 15, 120)
    assert place(epoch=39) == ("head", 39, 0)
    assert place(stage="finetune", epoch=39) is None
    assert place(epoch=16) is None
    truncate(directory / f"{NAME}_head_epoch40.pth")
    with pytest.raises(DamagedCheckpointError, match="head_epoch40"):
        place(stage="head", epoch=40)
    assert place(stage="head") == ("head", 39, 0)


def test_saving_one_position_again_replaces_it(manager: CheckpointManager, directory: Path) -> None:
    """Training an epoch again after a crash leaves one checkpoint of it: the last."""
    save(manager, 1)
    manager.save_backbone_checkpoint(NAME, {"w": torch.zeros(2)}, 1, stage="finetune")
    assert names(directory) == [f"{NAME}_finetune_epoch1.pth"]
    assert manager.load_backbone_checkpoint(NAME)["model_state_dict"]["w"].sum() == 0


def test_cleanup_keeps_the_latest(manager: CheckpointManager, directory: Path) -> None:
    """keep_latest newest checkpoints stay, three unless told; other backbones are not touched."""
    for epoch in range(1, 7):
        save(manager, epoch)
    manager.save_backbone_checkpoint("CustomMaxViT", {"w": torch.ones(2)}, 1)

    manager.cleanup_old_checkpoints(backbone_name=NAME, keep_latest=4)
    assert len(names(directory)) == 4 + 1
    manager.cleanup_old_checkpoints(NAME)
    assert names(directory) == [
        "CustomMaxViT_head_epoch1.pth",
        *(f"{NAME}_finetune_epoch{epoch}.pth" for epoch in (4, 5, 6)),
    ]
    manager.cleanup_old_checkpoints(NAME, keep_latest=1)
    assert len(names(directory)) == 2 + 1, "two that verify are always kept"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"backbone_name": "a/b"}, "backbone name 'a/b': use letters"),
        ({"backbone_name": "net_best"}, "backbone name 'net_best'"),
        ({"stage": "warmup"}, "stage 'warmup': the stages of this run are head, finetune"),
        ({"epoch": -1}, "no checkpoint can be called"),
        ({"epoch": 1.5}, "no checkpoint can be called"),
        ({"fold": 0}, "folds are counted from 1"),
        ({"optimizer_state": {"lr": lambda: 1}}, r"\['optimizer_state'\]\['lr'\] is a"),
    ],
)
def test_checkpoint_that_could_not_be_found_again_is_refused(
    arguments: dict[str, object], words: str, manager: CheckpointManager, directory: Path
) -> None:
    """No save is acknowledged that no load would find."""
    given = {"backbone_name": NAME, "model_state_dict": {"w": torch.ones(2)}, "epoch": 1}
    with pytest.raises(UsageError, match=words):
        manager.save_backbone_checkpoint(**{**given, **arguments})
    assert names(directory) == []


def test_runs_own_stages_are_known(
    open_manager: Callable[..., CheckpointManager], directory: Path
) -> None:
    """A manager follows the stages that the run records, also those recorded after it was made."""
    early, writer = open_manager(), open_manager()
    writer._writable().plan({"stages": {"probe": 2, "warmup": 3}}, [NAME], {})
    early.save_backbone_checkpoint(NAME, {"w": torch.ones(2)}, 3, stage="warmup")
    early.save_backbone_checkpoint(NAME, {"w": torch.ones(2)}, 9, stage="probe")

    for manager in (early, writer, open_manager()):
        assert manager.load_backbone_checkpoint(NAME)["stage"] == "warmup"


def test_summary_is_written_for_people(manager: CheckpointManager, directory: Path) -> None:
    """The report's path is returned, and the report says how many are complete and what is next."""
    manager.mark_backbone_complete(BACKBONES[0], {"accuracy": 0.95})
    path = manager.export_recovery_summary()

    assert path == directory / "recovery_status.txt"
    text = path.read_text()
    assert "Completed:  1 of 15 backbones" in text
    assert f"Next:       {BACKBONES[1]}" in text
