"""What a checkpoint holds: the guide's keys, and ours beside them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from holdfast.checkpoint.plain import plain
from holdfast.errors import DamagedCheckpointError, RecoveryRefusedError
from holdfast.rundir import CheckpointFile, JobName, Position

CheckpointRecord = dict[str, Any]

FORMAT_VERSION = 1
GUIDE_KEYS = (
    "backbone_name",
    "model_state_dict",
    "epoch",
    "stage",
    "metrics",
    "history",
    "optimizer_state",
    "scheduler_state",
    "timestamp",
    "device",
)
OUR_KEYS = ("format_version", "fold", "step", "objects", "running", "best", "stale", "seconds")


def make_record(
    job: JobName,
    position: Position,
    *,
    model: Mapping[str, Any],
    optimizer: Mapping[str, Any] | None = None,
    scheduler: Mapping[str, Any] | None = None,
    objects: Mapping[str, Any] | None = None,
    metrics: Mapping[str, float] | None = None,
    history: Mapping[str, list[Any]] | None = None,
    running: Mapping[str, Any] | None = None,
    best: Mapping[str, Any] | None = None,
    stale: int = 0,
    seconds: float = 0.0,
    device: str = "cpu",
) -> CheckpointRecord:
    """Return the dict that a ``.pth`` holds.

    ``objects`` are further state dicts by name (a GradScaler, an EMA); ``running`` the sums of
    the epoch in progress; ``best`` the best weights of the stage and their metric; ``stale``
    how many epochs have not improved on them; ``seconds`` the training time so far.
    """
    return {
        "backbone_name": job.backbone,
        "model_state_dict": model,
        "epoch": position.epoch,
        "stage": position.stage,
        "metrics": plain(metrics or {}),
        "history": plain(history or {}),
        "optimizer_state": optimizer,
        "scheduler_state": scheduler,
        "timestamp": datetime.now().isoformat(),
        "device": device,
        "format_version": FORMAT_VERSION,
        "fold": job.fold,
        "step": position.step,
        "objects": dict(objects or {}),
        "running": dict(running or {}),
        "best": best,
        "stale": stale,
        "seconds": seconds,
    }


def weights_only(record: CheckpointRecord) -> CheckpointRecord:
    """Return ``record`` without what only further training needs."""
    spent: CheckpointRecord = {
        "optimizer_state": None,
        "scheduler_state": None,
        "objects": {},
        "best": None,
    }
    return {**record, **spent}


def check_record(record: object, file: CheckpointFile) -> CheckpointRecord:
    """Return ``record`` if it is the checkpoint that its file's name promises.

    Raises:
        DamagedCheckpointError: keys are missing, or it is another job's or position's.
        RecoveryRefusedError: a newer Holdfast wrote it.
    """
    if not isinstance(record, dict):
        raise DamagedCheckpointError(f"{file.path}: holds no checkpoint")
    missing = [key for key in (*GUIDE_KEYS, *OUR_KEYS) if key not in record]
    if missing:
        raise DamagedCheckpointError(f"{file.path}: lacks {', '.join(missing)}")
    if record["format_version"] > FORMAT_VERSION:
        raise RecoveryRefusedError(
            f"{file.path}: written by a newer Holdfast (format {record['format_version']}, this "
            f"one reads up to {FORMAT_VERSION}); upgrade with pip install -U holdfast"
        )
    held = JobName(record["backbone_name"], record["fold"])
    at = Position(record["stage"], record["epoch"], record["step"])
    if (held, at) != (file.job, file.position):
        raise DamagedCheckpointError(f"{file.path}: holds {held}, {at}, not what its name says")
    return record
