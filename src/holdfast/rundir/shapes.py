"""What the fields of our JSON must look like; a sum that agrees does not make them sensible."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeGuard

from holdfast.rundir.layout import (
    KFOLD_PROGRESS,
    RECOVERY_STATE,
    JobName,
    is_backbone_name,
    is_stage_name,
)

Check = Callable[[Any], bool]

KFOLD_FIELDS = ("folds", "completed", "timestamp", "run_id")
MAIN_FIELDS = (
    *("completed_backbones", "current_backbone", "current_stage", "current_epoch", "results"),
    *("backbones", "failed", "run", "run_id", "current_fold", "timestamp"),
)
MARK = "journal_mark"  # of the last line of the journal that the files know
SIZE = "journal_size"  # of the journal up to that line
WHOLE_CRC = "journal_crc32"  # of all of it up to there, where every line is good
INTERRUPTIONS, SECONDS = "interruptions", "seconds"  # of each job, in the file of the folds
FIELDS = {
    RECOVERY_STATE: (*MAIN_FIELDS, "format_version"),
    KFOLD_PROGRESS: (*KFOLD_FIELDS, "format_version"),
}
_MOST = 10**12  # more epochs or steps than anybody has
_MOST_JOBS = 10**5
_DEEPEST = 32
_MOST_VALUES = 10**6
_MOST_IN_JSON = 10**8  # which cannot hold itself: the results of all jobs are no bomb
_LARGEST = 10**300  # beyond lies what is no float
_SMALL = {str, float, bool, type(None)}
_FOLD = re.compile("[1-9][0-9]{0,5}")


def is_plain(value: Any, most: int = _MOST_VALUES) -> bool:
    """Tell whether a value is what JSON knows, no larger or deeper than any code can handle."""
    todo, seen = [(value, 0)], 1
    while todo:
        item, depth = todo.pop()
        inside = _inside(item)
        if inside is None:
            if not _is_leaf(item):
                return False
            continue
        seen += len(inside)
        if depth == _DEEPEST or seen > most:
            return False
        kinds = {*map(type, inside)}
        if kinds == {int} and -_LARGEST < min(inside) <= max(inside) < _LARGEST:
            continue  # a row of a matrix
        if not kinds <= _SMALL:
            todo += [(one, depth + 1) for one in inside if type(one) not in _SMALL]
    return True


def _inside(item: Any) -> list[Any] | None:
    """Return what a container holds; None for what is none, or has keys that JSON has not."""
    if isinstance(item, Mapping):
        good = {*map(type, item)} <= {str} or all(isinstance(key, str) for key in item)
        return list(item.values()) if good else None
    return list(item) if isinstance(item, list | tuple) else None


def _is_leaf(value: Any) -> bool:
    if type(value) is int:
        return abs(value) < _LARGEST
    return value is None or isinstance(value, str | float | bool)


def is_count(value: Any, least: int = 0) -> TypeGuard[int]:
    """Tell whether a value can count epochs or steps."""
    return type(value) is int and least <= value < _MOST


def is_number(value: Any) -> bool:
    """Tell whether a value is a number, and no truth value."""
    return type(value) in (int, float)


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _name(value: Any) -> bool:
    return isinstance(value, str) and is_backbone_name(value)


def _names(value: Any) -> bool:
    return isinstance(value, list) and all(map(_name, value)) and len({*value}) == len(value)


def _stage(value: Any) -> bool:
    return isinstance(value, str) and is_stage_name(value)


def _job(value: Any) -> bool:
    return isinstance(value, str) and is_backbone_name(JobName.parse(value).backbone)


def _object(value: Any) -> bool:
    return isinstance(value, dict)


def _fold(value: Any) -> bool:
    return isinstance(value, str) and bool(_FOLD.fullmatch(value))


def _or_none(check: Check) -> Check:
    return lambda value: value is None or check(value)


def _dict_of(key: Check, item: Check) -> Check:
    return lambda value: (
        isinstance(value, dict) and all(key(k) and item(v) for k, v in value.items())
    )


def _folds(value: Any) -> bool:
    return _dict_of(_name, is_count)(value) and sum(value.values()) <= _MOST_JOBS


def _run(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and _dict_of(_stage, is_count)(value.get("stages", {}))
        and _dict_of(_text, _object)(value.get("settings", {}))
    )


_CHECKS: dict[str, Check] = {
    "backbone": _or_none(_name),
    "backbones": _names,
    "boot_id": _text,
    "completed": _dict_of(_name, _dict_of(_fold, _object)),
    "completed_backbones": _names,
    "current_backbone": _or_none(_name),
    "current_epoch": _or_none(is_count),
    "current_fold": _or_none(lambda value: is_count(value, 1)),
    "current_stage": _or_none(_text),  # the guide has "interrupted" there
    "epoch": is_count,
    "error": _text,
    "event": _text,
    "extra": _object,
    "failed": _dict_of(_job, _text),
    "folds": _folds,
    "format_version": is_count,
    "job": _job,
    "kfold": lambda value: is_shaped(value, KFOLD_FIELDS),
    "main": lambda value: is_shaped(value, MAIN_FIELDS),
    "result": _object,
    "results": _dict_of(_name, _object),
    "run": _run,
    "run_id": _text,
    "seconds": is_number,
    "stage": _stage,
    "step": is_count,
    "time": _text,
    "timestamp": _text,
}


def misshapen(record: Mapping[str, Any], required: Iterable[str]) -> list[str]:
    """Name the ``required`` fields that ``record`` lacks, or has of no sensible kind."""
    return [name for name in required if name not in record or not _CHECKS[name](record[name])]


def is_shaped(record: Any, required: Iterable[str]) -> bool:
    """Tell whether ``record`` has the ``required`` fields, and all of it is of a sensible kind."""
    plain = isinstance(record, dict) and is_plain(record, _MOST_IN_JSON)
    return plain and not misshapen(record, required)
