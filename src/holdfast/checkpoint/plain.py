"""Plain values: what a result may hold as JSON, and what a ``.pth`` may hold as torch reads it.

``torch.load`` refuses whatever is not a tensor or a plain value, numpy's numbers among them. A
checkpoint with one of those inside could be written and never be read again.
"""

import copy
from collections import Counter, OrderedDict
from collections.abc import Container, Mapping
from typing import Any

import numpy as np
import torch

from holdfast.errors import UsageError

_NUMBERS_AND_TEXT = (type(None), bool, int, float, complex, str, bytes)
_TORCH = (torch.Size, torch.dtype, torch.device, torch.layout)
_JSON = frozenset({type(None), bool, int, float, str})
_LEAVES = frozenset({*_NUMBERS_AND_TEXT, *_TORCH})
_MAPPINGS = frozenset({dict, OrderedDict, Counter})


def plain(value: Any) -> Any:
    """Return numbers, arrays, tensors and containers as JSON knows them, the rest as text."""
    if type(value) in _JSON:
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):  # numpy and torch alike
        return plain(value.tolist())
    return value if isinstance(value, str | int | float | None) else str(value)


def savable(value: Any, settled: Container[int] = ()) -> Any:
    """Return ``value`` as a ``.pth`` can hold it: numpy's numbers are Python's there.

    Its containers are new, so that whoever has the old ones may go on changing them; its tensors
    are the same. Mappings whose ``id`` is in ``settled`` are of tensors only, and never change:
    they stay.

    Raises:
        UsageError: it holds what ``torch.load`` would refuse; the message says where.
    """
    try:
        return _savable(value, settled)
    except _UnsavableError as error:
        kind = type(error.value)
        raise UsageError(
            f"checkpoint{''.join(reversed(error.where))} is a {kind.__module__}."
            f"{kind.__qualname__}, which torch.load would not read back; save a tensor, a number, "
            "text, or lists and dicts of them"
        ) from None


class _UnsavableError(Exception):
    """Found on the way down; the way back up says where."""

    def __init__(self, value: Any) -> None:
        self.value = value
        self.where: list[str] = []


def _savable(value: Any, settled: Container[int]) -> Any:
    kind = type(value)
    if kind in _LEAVES or (kind is torch.Tensor and value.layout == torch.strided):
        return value
    if kind in _MAPPINGS:
        return value if id(value) in settled else _savable_mapping(value, settled)
    if kind in (list, tuple, set):
        return kind(_savable_item(key, item, settled) for key, item in enumerate(value))
    if isinstance(value, torch.Tensor):
        return value if value.layout == torch.strided else value.clone()
    if isinstance(value, np.generic):
        return value.item()
    if kind is bytearray:
        return bytearray(value)
    raise _UnsavableError(value)


def _savable_mapping(mapping: Any, settled: Container[int]) -> Any:
    new = copy.copy(mapping)  # of its own kind: a state dict of torch carries its _metadata
    new.clear()
    for key, item in mapping.items():
        new[_savable_key(key)] = _savable_item(key, item, settled)
    return new


def _savable_item(key: Any, item: Any, settled: Container[int]) -> Any:
    try:
        return _savable(item, settled)
    except _UnsavableError as error:
        error.where.append(f"[{key!r}]")
        raise


def _savable_key(key: Any) -> Any:
    try:
        return _savable(key, ())
    except _UnsavableError as error:
        error.where.append("'s key")
        raise
