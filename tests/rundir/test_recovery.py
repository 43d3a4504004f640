"""The recovery state: the guide's files, and what becomes of the state when one of them is lost."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from holdfast.errors import StorageError
from holdfast.rundir import (
    JOURNAL,
    KFOLD_PROGRESS,
    RECOVERY_STATE,
    JobName,
    Journal,
    Position,
    RecoveryState,
    checkpoint_path,
    load_state,
    save_state,
)

CONVNEXT, GHOSTNET = JobName("CustomConvNeXt"), JobName("CustomGhostNetV2")
MOBILEONE, MAXVIT = JobName("CustomMobileOne"), JobName("CustomMaxViT")
BACKBONES = [str(job) for job in (CONVNEXT, MOBILEONE, GHOSTNET, MAXVIT)]
FILES = [RECOVERY_STATE, KFOLD_PROGRESS, JOURNAL]
RUN = {"stages": {"head": 40, "finetune": 25}, "seed": 42}


def whole_state() -> RecoveryState:
    """A run half way: two backbones complete, one in training, one failed, folds begun."""
    return RecoveryState(
        backbones=BACKBONES,
        folds={CONVNEXT.backbone: 5},
        results={
            CONVNEXT: {"final_accuracy": 0.95, "final_loss": 0.12},
            MOBILEONE: {"final_accuracy": 0.5},
            JobName(CONVNEXT.backbone, 1): {"final_accuracy": 0.9},
            JobName(CONVNEXT.backbone, 2): {"final_accuracy": 0.8},
        },
        failed={MAXVIT: "TrainingDivergedError: the loss became nan"},
        current_job=GHOSTNET,
        current_stage="finetune",
        current_epoch=15,
        run=RUN,
        extra={"note": "hello"},
    )


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """That run on disk, as a run leaves it there."""
    state, journal = whole_state(), Journal(tmp_path)
    journal.append("run_planned", run=RUN, backbones=BACKBONES, folds=state.folds)
    journal.append("job_started", job=str(MAXVIT))
    journal.append("job_failed", job=str(MAXVIT), error=state.failed[MAXVIT])
    journal.append("pipeline_state", extra=state.extra)
    for job, result in state.results.items():
        journal.append("job_completed", job=str(job), result=result, seconds=1.5)
    checkpoint_path(tmp_path, GHOSTNET, Position("finetune", 15)).touch()
    save_state(tmp_path, state)
    return tmp_path


def same_state(directory: Path) -> bool:
    """Tell whether what is read is what was known, the time of writing excepted."""
    found, known = load_state(directory), whole_state()
    assert found is not None
    known.timestamp = found.timestamp
    return found == known


def test_file_holds_the_guides_keys(tmp_path: Path) -> None:
    """Every key of the guide's JSON is there, with the guide's value for the guide's run."""
    guide = {
        "completed_backbones": ["CustomConvNeXt", "CustomEfficientNetV4"],
        "current_backbone": "CustomGhostNetV2",
        "current_stage": "finetune",
        "current_epoch": 15,
        "results": {"CustomConvNeXt": {"final_accuracy": 0.95, "final_loss": 0.12}},
    }
    state = RecoveryState(
        results={CONVNEXT: guide["results"]["CustomConvNeXt"], JobName("CustomEfficientNetV4"): {}},
        current_job=GHOSTNET,
        current_stage="finetune",
        current_epoch=15,
    )
    save_state(tmp_path, state)

    written = json.loads((tmp_path / RECOVERY_STATE).read_text())
    guide["results"]["CustomEfficientNetV4"] = {}
    assert {key: written[key] for key in guide} == guide
    assert len(written["timestamp"]) == len("2025-11-19T14:30:45.123456")
    assert written["timestamp"] == state.timestamp


def test_state_round_trips(directory: Path) -> None:
    """Everything that is known comes back, completed backbones in the order of completion."""
    assert same_state(directory)
    state = load_state(directory)
    assert state.completed_backbones == [str(CONVNEXT), str(MOBILEONE)]
    assert state.jobs()[:4] == [CONVNEXT, MOBILEONE, GHOSTNET, MAXVIT]
    assert state.jobs()[4:] == [JobName(CONVNEXT.backbone, fold) for fold in range(1, 6)]


def scramble(path: Path) -> None:
    path.write_bytes(path.read_bytes()[::-1])


def halve(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def hollow(path: Path) -> None:
    path.write_bytes(b"{}")


def zero(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


@pytest.mark.parametrize("injury", [Path.unlink, scramble, halve, hollow, zero])
@pytest.mark.parametrize("name", FILES)
def test_any_one_file_may_be_lost(
    name: str, injury: Callable[[Path], None], directory: Path
) -> None:
    """With either JSON file or the journal gone or scrambled, the others give the same state."""
    injury(directory / name)
    assert same_state(directory)


@pytest.mark.parametrize("name", FILES)
def test_any_one_byte_may_be_wrong(name: str, directory: Path) -> None:
    """A flipped bit anywhere in one of the files changes nothing that is read."""
    path = directory / name
    data = path.read_bytes()
    for at in range(0, len(data), 3):
        damaged = bytearray(data)
        damaged[at] ^= 1 << at % 8
        path.write_bytes(damaged)
        assert same_state(directory), at


def test_journal_that_the_disk_does_not_give_is_told(directory: Path) -> None:
    """A read that fails is a storage failure and names the file: what it holds may be good."""
    unreadable(directory / JOURNAL)
    with pytest.raises(StorageError, match=f"{re.escape(JOURNAL)}: Input/output error"):
        load_state(directory)


@pytest.mark.parametrize("name", [RECOVERY_STATE, KFOLD_PROGRESS])
def test_bad_sector_under_a_file_costs_nothing(name: str, directory: Path) -> None:
    """What the disk does not give of one JSON file, the other and the journal have."""
    unreadable(directory / name)
    assert same_state(directory)


def unreadable(path: Path) -> None:
    """Make the kernel answer EIO to whoever reads ``path``."""
    memory = Path("/proc/self/mem")
    if not memory.exists():
        pytest.skip("this system has no file that cannot be read")
    path.unlink()
    path.symlink_to(memory)


def test_journal_is_the_newer(directory: Path) -> None:
    """What the journal has and the files have not yet, a crash lay between: it counts."""
    journal = Journal(directory)
    journal.append("job_resumed", job=str(MAXVIT), stage="head", epoch=3, step=0)
    journal.append("job_completed", job=str(GHOSTNET), result={"final_accuracy": 0.7})

    state = load_state(directory)
    assert state.completed_backbones == [str(CONVNEXT), str(MOBILEONE), str(GHOSTNET)]
    assert state.results[GHOSTNET] == {"final_accuracy": 0.7}
    assert state.failed == {}


def test_reset_that_has_begun_counts_at_once(directory: Path) -> None:
    """After a crash inside a reset, what was to be forgotten is not remembered by anyone."""
    journal = Journal(directory)
    journal.append("reset", backbone=str(CONVNEXT))
    assert load_state(directory).completed_backbones == [str(MOBILEONE)]
    assert load_state(directory).backbones == BACKBONES

    journal.append("reset", backbone=None)
    state = load_state(directory)
    assert (state.results, state.failed, state.run, state.extra) == ({}, {}, {}, {})
    assert (state.current_job, state.current_stage, state.current_epoch) == (None, None, None)


def test_empty_directory_has_no_state(tmp_path: Path) -> None:
    """None, not an empty state, says that no run has begun."""
    assert load_state(tmp_path) is None
    assert load_state(tmp_path / "none") is None


def test_checkpoints_alone_say_where_the_run_stands(tmp_path: Path) -> None:
    """With every other file gone, the newest checkpoint's name is read."""
    checkpoint_path(tmp_path, GHOSTNET, Position("head", 7)).touch()
    state = load_state(tmp_path)
    assert (state.current_job, state.current_stage, state.current_epoch) == (GHOSTNET, "head", 7)
