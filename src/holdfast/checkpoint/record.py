"""What a checkpoint holds: the guide's keys, and ours beside them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from holdfast.checkpoint.plain import plain
from holdfast.rundir import FORMAT_VERSION, JobName, Position

CheckpointRecord = dict[str, Any]


def make_record(
    job: JobName,
    position: Position,
    *,
    model: Mapping[str, Any] | None,
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
    how many epochs have not improved on them; ``seconds`` the training time so far. The store
    adds the id of its run.
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
