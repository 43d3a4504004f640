"""What the dict inside a ``.pth`` must say to be the checkpoint that its file's name promises."""

from collections.abc import Mapping
from typing import Any

from holdfast.rundir.layout import JobName, Position, is_backbone_name, is_stage_name
from holdfast.rundir.shapes import Check, is_count, is_plain

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
_CHECKS: dict[str, Check] = {
    "format_version": lambda value: is_count(value, 1),
    "run_id": lambda value: isinstance(value, str),
    "backbone_name": lambda value: isinstance(value, str) and is_backbone_name(value),
    "fold": lambda value: value is None or is_count(value, 1),
    "stage": lambda value: isinstance(value, str) and is_stage_name(value),
    "epoch": is_count,
    "step": is_count,
    "model_state_dict": lambda value: value is None or isinstance(value, Mapping),
    "metrics": lambda value: isinstance(value, Mapping) and is_plain(value),
    "history": lambda value: isinstance(value, Mapping) and is_plain(value),
    "objects": lambda value: isinstance(value, Mapping),
    "running": lambda value: value == {} or _has(value, samples=int, sums=Mapping),
    "best": lambda value: value is None or _has(value, metric=object, epoch=int, model=Mapping),
    "stale": is_count,
    "seconds": lambda value: type(value) in (int, float),
    "saving": lambda value: _has(value, interval=float, seconds=float, saves=int),  # not in all
}


def _has(value: object, **kinds: type) -> bool:
    return (
        isinstance(value, Mapping)
        and value.keys() == kinds.keys()
        and all(isinstance(value[key], kind) for key, kind in kinds.items())
    )


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
        result = record.get("result")
        return None if isinstance(result, dict) and is_plain(result) else "holds no result"
    if (held, at) != (job, position):
        return f"holds {held}, {at}, not what its name says"
    return "holds a result, not what its name says" if "result" in record else None


def _misshapen(record: Mapping[str, Any]) -> str | None:
    version = record.get("format_version")
    if is_count(version) and version > FORMAT_VERSION:
        return (
            f"written by a newer Holdfast (format {version}, this one reads up to "
            f"{FORMAT_VERSION}; pip install -U holdfast)"
        )
    missing = [key for key in (*GUIDE_KEYS, *OUR_KEYS) if key not in record]
    if missing:
        return f"lacks {', '.join(missing)}"
    checks = [(key, is_good) for key, is_good in _CHECKS.items() if key in record]
    wrong = [key for key, is_good in checks if not is_good(record[key])]
    return f"has no usable {', '.join(wrong)}" if wrong else None
