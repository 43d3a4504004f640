"""The only file that knows the names inside a checkpoint directory."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from holdfast.errors import UsageError

RECOVERY_STATE = ".recovery_state.json"
KFOLD_PROGRESS = ".kfold_progress.json"
STATUS_TEXT = "recovery_status.txt"
JOURNAL = "journal.jsonl"
LOCK = ".lock"
IMAGE_CACHE = "image_cache"
DAMAGED = "damaged"
EVENT_FILES = "tensorboard"

DEFAULT_STAGES = ("head", "finetune")

_BACKBONE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]*(?:_[A-Za-z0-9.+-]+)*")
_STAGE = re.compile(r"[A-Za-z][A-Za-z0-9]*")
_NUMBER = r"[1-9][0-9]{0,11}"  # more than anybody has of epochs, steps or folds
_CHECKPOINT = re.compile(
    rf"(?P<backbone>.+?)(?:_fold(?P<fold>{_NUMBER}))?_(?P<stage>[A-Za-z][A-Za-z0-9]*)"
    rf"_epoch(?P<epoch>0|{_NUMBER})(?:_step(?P<step>{_NUMBER}))?\.pth"
)
_BEST = re.compile(rf"(?P<backbone>.+?)(?:_fold(?P<fold>{_NUMBER}))?_best\.pth")
_RESERVED = re.compile(r"_fold\d+$|_epoch\d+|_best$")


@dataclass(frozen=True)
class JobName:
    """One backbone, on one fold (counted from 1) or on the full split (fold None)."""

    backbone: str
    fold: int | None = None

    def __str__(self) -> str:
        return self.backbone if self.fold is None else f"{self.backbone}_fold{self.fold}"

    @classmethod
    def parse(cls, text: str) -> "JobName":
        """Read back what ``str`` made."""
        match = re.fullmatch(rf"(.+?)_fold({_NUMBER})", text)
        return cls(match[1], int(match[2])) if match else cls(text)


@dataclass(frozen=True)
class Position:
    """Where a job stands: epochs completed of a stage, steps done in the current epoch."""

    stage: str
    epoch: int
    step: int = 0

    def __str__(self) -> str:
        if self.step:  # inside the next one
            return f"{self.stage} epoch {self.epoch + 1}, step {self.step}"
        return f"{self.stage} epoch {self.epoch}"


@dataclass(frozen=True)
class CheckpointFile:
    """A file whose name says that it is a checkpoint; its bytes may still say otherwise."""

    path: Path
    job: JobName
    position: Position


def checkpoint_path(directory: Path, job: JobName, position: Position) -> Path:
    """Return the final name of the checkpoint of ``job`` at ``position``.

    Raises:
        UsageError: no such name could be read back, so the checkpoint would never be found.
    """
    step = f"_step{position.step}" if position.step else ""
    path = directory / f"{job}_{position.stage}_epoch{position.epoch}{step}.pth"
    if parse_checkpoint(path) != CheckpointFile(path, job, position):
        raise UsageError(
            f"no checkpoint can be called {path.name}: folds are counted from 1, epochs and steps "
            "from 0, in whole numbers"
        )
    return path


def best_path(directory: Path, job: JobName) -> Path:
    """Return the name of the file with a completed job's weights and result."""
    return directory / f"{job}_best.pth"


def parse_checkpoint(path: Path) -> CheckpointFile | None:
    """Read job and position off a file's name; None where the name is not a checkpoint's."""
    match = _CHECKPOINT.fullmatch(path.name)
    if match is None or not is_backbone_name(match["backbone"]):
        return None
    fold = int(match["fold"]) if match["fold"] else None
    position = Position(match["stage"], int(match["epoch"]), int(match["step"] or 0))
    return CheckpointFile(path, JobName(match["backbone"], fold), position)


def list_checkpoints(directory: Path, job: JobName) -> list[CheckpointFile]:
    """Return every file named as a checkpoint of ``job``, in no order."""
    names = (name for name in _pth_names(directory) if name.startswith(f"{job}_"))
    parsed = (parse_checkpoint(directory / name) for name in names)
    return [file for file in parsed if file is not None and file.job == job]


def parse_result(path: Path) -> JobName | None:
    """Read the job off the name of a ``…_best.pth``; None where the name is not one's."""
    match = _BEST.fullmatch(path.name)
    if match is None or not is_backbone_name(match["backbone"]):
        return None
    return JobName(match["backbone"], int(match["fold"]) if match["fold"] else None)


def list_results(directory: Path) -> list[tuple[JobName, Path]]:
    """Return every ``…_best.pth`` with the job it is named for."""
    names = sorted(name for name in _pth_names(directory) if name.endswith("_best.pth"))
    parsed = ((parse_result(path), path) for path in map(directory.joinpath, names))
    return [(job, path) for job, path in parsed if job is not None]


def list_all_checkpoints(directory: Path) -> list[CheckpointFile]:
    """Return every file named as a checkpoint, of whatever job."""
    names = sorted(name for name in _pth_names(directory) if "_epoch" in name)
    parsed = (parse_checkpoint(directory / name) for name in names)
    return [file for file in parsed if file is not None]


def list_pth(directory: Path) -> list[Path]:
    """Return every file named as a checkpoint or a result, sorted."""
    paths = map(directory.joinpath, sorted(_pth_names(directory)))
    return [path for path in paths if parse_checkpoint(path) or parse_result(path)]


def _pth_names(directory: Path) -> list[str]:
    """Return the names that end as those of checkpoints and results do, of whatever they are."""
    if not directory.is_dir():
        return []
    with os.scandir(directory) as entries:  # where there are thousands, a Path for each takes long
        return [entry.name for entry in entries if entry.name.endswith(".pth")]


def is_backbone_name(name: str) -> bool:
    """Tell whether the checkpoints of a backbone of this name can be told apart by their names."""
    return bool(_BACKBONE.fullmatch(name)) and not _RESERVED.search(name)


def is_stage_name(name: str) -> bool:
    """Tell whether a stage's name can stand in a checkpoint's name."""
    return bool(_STAGE.fullmatch(name))


def check_backbone_name(name: str) -> str:
    """Return ``name`` if it can be a backbone's.

    Raises:
        UsageError: it holds a character or an ending that the file names use themselves.
    """
    if not is_backbone_name(name):
        raise UsageError(
            f"backbone name {name!r}: use letters, digits, '.', '+', '-' and single '_', and no "
            "part such as _fold2, _epoch3 or _best, which checkpoint files use"
        )
    return name


def check_stage_name(name: str) -> str:
    """Return ``name`` if it can be a stage's; raises UsageError otherwise."""
    if not is_stage_name(name):
        raise UsageError(f"stage name {name!r}: use letters and digits only, a letter first")
    return name
