"""One writer, any number of readers; in one process any number of managers that agree."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from holdfast.checkpoint import CheckpointManager
from holdfast.errors import DirectoryInUseError
from holdfast.rundir import LOCK
from tests.storage.test_lock import HOLD

NAME = "CustomConvNeXt"
Open = Callable[..., CheckpointManager]


@pytest.fixture
def busy(open_manager: Open, directory: Path) -> Iterator[int]:
    """A directory with a checkpoint, held by another process; the process's id."""
    manager = open_manager()
    manager.save_backbone_checkpoint(NAME, {"w": torch.ones(2)}, 3)
    manager.mark_backbone_complete("CustomMaxViT", {"accuracy": 0.9})
    manager.close()
    command = [sys.executable, "-c", HOLD, str(directory / LOCK)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as child:
        assert child.stdout.readline() == "held\n"
        yield child.pid
        child.kill()


def test_reading_takes_no_lock(busy: int, open_manager: Open, directory: Path) -> None:
    """While another process trains, everything can be looked at, and nothing is changed."""
    before = {path: path.stat().st_mtime_ns for path in directory.iterdir()}
    manager = open_manager()

    assert manager.get_recovery_status()["completed"] == 1
    assert manager.get_completed_backbones() == ["CustomMaxViT"]
    assert manager.get_next_backbone_to_train() == NAME
    assert manager.load_pipeline_state()["current_backbone"] == NAME
    assert manager.load_backbone_checkpoint(NAME)["epoch"] == 3
    assert manager.load_kfold_progress(NAME) == {}
    assert manager.export_recovery_summary().read_text().startswith("Holdfast recovery status")
    assert {path: path.stat().st_mtime_ns for path in directory.iterdir()} == before


def test_writing_is_refused_by_name(busy: int, open_manager: Open, directory: Path) -> None:
    """Every call that writes says who is there, and leaves the directory as it is."""
    manager = open_manager()
    before = {path.name: path.read_bytes() for path in directory.iterdir()}
    writes = [
        lambda: manager.save_backbone_checkpoint(NAME, {}, 4),
        lambda: manager.save_pipeline_state({"current_backbone": NAME}),
        lambda: manager.mark_backbone_complete(NAME, {}),
        lambda: manager.save_kfold_progress(NAME, 1, {}),
        lambda: manager.cleanup_old_checkpoints(NAME),
        lambda: manager.reset_recovery(),
    ]
    for write in writes:
        with pytest.raises(DirectoryInUseError, match=f"in use by process {busy} on "):
            write()
    assert {path.name: path.read_bytes() for path in directory.iterdir()} == before


def test_two_managers_in_one_process_agree(open_manager: Open, directory: Path) -> None:
    """What one writes the other knows at once; neither is shut out, by whatever path it came."""
    first = open_manager()
    second = CheckpointManager(os.path.relpath(directory))
    first.save_backbone_checkpoint(NAME, {"w": torch.ones(2)}, 1)
    second.mark_backbone_complete(NAME, {"accuracy": 0.9})
    first.save_pipeline_state({"current_backbone": "CustomMaxViT"})
    second.save_kfold_progress(NAME, 1, {"accuracy": 0.8}, folds=2)

    status = first.get_recovery_status()
    theirs = second.get_recovery_status()
    assert {**status, "directory": ""} == {**theirs, "directory": ""}
    assert status["completed"] == 1
    assert status["current_backbone"] == "CustomMaxViT"
    assert first.load_kfold_progress(NAME) == second.load_kfold_progress(NAME) != {}
    first.close()
    second.mark_backbone_complete("CustomMaxViT", {})
    assert first.get_completed_backbones() == [NAME, "CustomMaxViT"]
    second.close()


def test_closed_manager_leaves_the_directory_to_others(open_manager: Open, directory: Path) -> None:
    """After close another process can write; closing twice is no error."""
    manager = open_manager()
    manager.save_backbone_checkpoint(NAME, {"w": torch.ones(2)}, 1)
    manager.close()
    manager.close()
    code = HOLD.replace("sys.stdin.read()", "")
    child = subprocess.run([sys.executable, "-c", code, str(directory / LOCK)], check=False)
    assert child.returncode == 0


def test_second_manager_leaves_the_firsts_writing_alone(
    open_manager: Open, directory: Path
) -> None:
    """What another thread of this process is writing is no leftover of a dead writer."""
    open_manager().save_pipeline_state({})
    being_written = directory / f".{NAME}_head_epoch2.pth.{os.getpid()}.tmp"
    being_written.write_bytes(b"half")

    open_manager().save_pipeline_state({})
    assert being_written.exists()


def test_leftovers_go_when_the_writer_comes(open_manager: Open, directory: Path) -> None:
    """What a killed writer left half-written is removed by the first write after it."""
    manager = open_manager()
    manager.save_backbone_checkpoint(NAME, {"w": torch.ones(2)}, 1)
    manager.close()
    leftover = directory / f".{NAME}_head_epoch2.pth.4711.tmp"
    leftover.write_bytes(b"half")
    assert open_manager().load_backbone_checkpoint(NAME)["epoch"] == 1
    assert leftover.exists(), "a reader removes nothing"

    open_manager().save_pipeline_state({})
    assert not leftover.exists()
