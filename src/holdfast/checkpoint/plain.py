"""Plain values: what a result may hold as JSON, and what a ``.pth`` may hold as torch reads it.

``torch.load`` refuses whatever is not a tensor or a plain value, numpy's numbers among them. A
checkpoint with one of those inside could be written and never be read again.
"""

import copy
from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch

from holdfast.errors import UsageError

_NUMBERS_AND_TEXT = (type(None), bool, int, float, complex, str, bytes, bytearray)
_TORCH = (torch.Size, torch.dtype, torch.device, torch.layout)
_LEAVES = frozenset({*_NUMBERS_AND_TEXT, *_TORCH})
_MAPPINGS = frozenset({dict, OrderedDict, Counter})


def plain(value: Any) -> Any:
    """Return numbers, arrays, tensors and containers as JSON knows them, the rest as text."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):  # numpy and torch alike
        return plain(value.tolist())
    return value if isinstance(value, str | int | float | None) else str(value)


def savable(value: Any, where: str = "checkpoint") -> Any:
    """Return ``value`` as a ``.pth`` can hold it: itself, or with numpy's numbers made Python's.

    Raises:
        UsageError: it holds what ``torch.load`` would refuse; the message says where.
    """
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, torch.Tensor) or type(value) in _LEAVES:
        return value
    if type(value) in _MAPPINGS:
        return _savable_mapping(value, where)
    if type(value) in (list, tuple, set):
        items = [savable(item, f"{where}[{index}]") for index, item in enumerate(value)]
        return value if _same(items, value) else type(value)(items)
    raise UsageError(
        f"{where} is a {type(value).__module__}.{type(value).__qualname__}, which torch.load "
        "would not read back; save a tensor, a number, text, or lists and dicts of them"
    )


def _savable_mapping(mapping: Any, where: str) -> Any:
    keys = [savable(key, f"a key of {where}") for key in mapping]
    values = [savable(value, f"{where}[{key!r}]") for key, value in mapping.items()]
    if _same(keys, mapping) and _same(values, mapping.values()):
        return mapping
    changed = copy.copy(mapping)  # of its own kind: a state dict of torch carries its _metadata
    changed.clear()
    changed.update(zip(keys, values, strict=True))
    return changed


def _same(new: Iterable[Any], old: Iterable[Any]) -> bool:
    return all(a is b for a, b in zip(new, old, strict=True))
