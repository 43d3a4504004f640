"""What the fields of our JSON must look like; a sum that agrees does not make them sensible."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from holdfast.rundir.layout import JobName, is_backbone_name, is_stage_name

Check = Callable[[Any], bool]
_MOST = 10**9  # more epochs, steps or folds than anybody has


def _count(value: Any, least: int = 0) -> bool:
    return type(value) is int and least <= value <= _MOST


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _name(value: Any) -> bool:
    return isinstance(value, str) and is_backbone_name(value)


def _stage(value: Any) -> bool:
    return isinstance(value, str) and is_stage_name(value)


def _job(value: Any) -> bool:
    return isinstance(value, str) and is_backbone_name(JobName.parse(value).backbone)


def _object(value: Any) -> bool:
    return isinstance(value, dict)


def _fold(value: Any) -> bool:
    return isinstance(value, str) and value.isdecimal() and _count(int(value[:12]), 1)


def _or_none(check: Check) -> Check:
    return lambda value: value is None or check(value)


def _list_of(check: Check) -> Check:
    return lambda value: isinstance(value, list) and all(map(check, value))


def _dict_of(key: Check, item: Check) -> Check:
    return lambda value: (
        isinstance(value, dict) and all(key(k) and item(v) for k, v in value.items())
    )


def _run(value: Any) -> bool:
    stages = value.get("stages", {}) if isinstance(value, dict) else None
    return _dict_of(_stage, _count)(stages)


_CHECKS: dict[str, Check] = {
    "backbone": _or_none(_name),
    "backbones": _list_of(_name),
    "boot_id": _text,
    "completed": _dict_of(_name, _dict_of(_fold, _object)),
    "completed_backbones": _list_of(_name),
    "current_backbone": _or_none(_name),
    "current_epoch": _or_none(_count),
    "current_fold": _or_none(lambda value: _count(value, 1)),
    "current_stage": _or_none(_stage),
    "epoch": _count,
    "error": _text,
    "event": _text,
    "extra": _object,
    "failed": _dict_of(_job, _text),
    "folds": _dict_of(_name, _count),
    "format_version": _count,
    "job": _job,
    "kfold": _object,
    "main": _object,
    "result": _object,
    "results": _dict_of(_name, _object),
    "run": _run,
    "run_id": _text,
    "stage": _stage,
    "step": _count,
    "time": _text,
    "timestamp": _text,
}


def is_shaped(record: Any, required: Iterable[str]) -> bool:
    """Tell whether ``record`` has the ``required`` fields, each of a sensible kind."""
    return isinstance(record, Mapping) and all(
        field in record and _CHECKS[field](record[field]) for field in required
    )
