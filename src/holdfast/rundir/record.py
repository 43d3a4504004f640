"""What the dict inside a ``.pth`` must say to be the checkpoint that its file's name promises."""

from collections.abc import Mapping
from typing import Any

from holdfast.rundir.layout import JobName, Position

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
OUR_KEYS = (
    *("format_version", "run_id", "fold", "step"),
    *("objects", "running", "best", "stale", "seconds"),
)
_KINDS: dict[str, type | tuple[type, ...]] = {
    "format_version": int,
    "run_id": str,
    "backbone_name": str,
    "fold": (int, type(None)),
    "stage": str,
    "epoch": int,
    "step": int,
    "model_state_dict": (Mapping, type(None)),
    "metrics": Mapping,
    "history": Mapping,
    "objects": Mapping,
    "running": Mapping,
    "best": (Mapping, type(None)),
    "stale": int,
    "seconds": (int, float),
}
_PARTS = {"best": {"metric", "epoch", "model"}, "running": {"samples", "sums"}}


def mismatch(record: object, job: JobName, position: Position | None, run_id: str) -> str | None:
    """Say why ``record`` is not the checkpoint of ``job`` at ``position``; None where it is.

    ``position`` is None for a result file, which may stand at any; ``run_id`` is empty where
    the run is not known.
    """
    if not isinstance(record, Mapping):
        return "holds no checkpoint"
    if reason := _misshapen(record):
        return reason
    if run_id and record["run_id"] != run_id:
        return "is another run's"
    held = JobName(record["backbone_name"], record["fold"])
    at = Position(record["stage"], record["epoch"], record["step"])
    if position is None:
        if held != job:
            return f"holds {held}, not what its name says"
        return None if isinstance(record.get("result"), Mapping) else "holds no result"
    if (held, at) != (job, position):
        return f"holds {held}, {at}, not what its name says"
    return None


def _misshapen(record: Mapping[str, Any]) -> str | None:
    version = record.get("format_version")
    if isinstance(version, int) and version > FORMAT_VERSION:
        return (
            f"written by a newer Holdfast (format {version}, this one reads up to "
            f"{FORMAT_VERSION}; pip install -U holdfast)"
        )
    missing = [key for key in (*GUIDE_KEYS, *OUR_KEYS) if key not in record]
    if missing:
        return f"lacks {', '.join(missing)}"
    wrong = [key for key, kind in _KINDS.items() if not isinstance(record[key], kind)]
    wrong += [key for key, parts in _PARTS.items() if record[key] and parts - set(record[key])]
    return f"has no usable {', '.join(wrong)}" if wrong else None
