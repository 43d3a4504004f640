"""Plain values: what a result may hold as JSON, and what a ``.pth`` may hold as torch reads it.

``torch.load`` refuses whatever is not a tensor or a plain value, numpy's numbers among them. A
checkpoint with one of those inside could be written and never be read again.
"""

import copy
from collections import Counter, OrderedDict
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from holdfast.errors import UsageError

_NUMBERS_AND_TEXT = (type(None), bool, int, float, complex, str, bytes, bytearray)
_TORCH = (torch.Size, torch.dtype, torch.device, torch.layout)
_LEAVES = frozenset({*_NUMBERS_AND_TEXT, *_TORCH, set})
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
        return _changed(value, {k: savable(v, f"{where}[{k!r}]") for k, v in value.items()})
    if type(value) in (list, tuple):
        items = [savable(item, f"{where}[{index}]") for index, item in enumerate(value)]
        same = all(new is old for new, old in zip(items, value, strict=True))
        return value if same else type(value)(items)
    raise UsageError(
        f"{where} is a {type(value).__module__}.{type(value).__qualname__}, which torch.load "
        "would not read back; save a tensor, a number, text, or lists and dicts of them"
    )


def _changed(mapping: Any, items: dict[Any, Any]) -> Any:
    """Return ``mapping`` itself, or a copy of its kind, attributes included, with new items."""
    if all(items[key] is value for key, value in mapping.items()):
        return mapping
    changed = copy.copy(mapping)  # a state dict of torch carries its _metadata
    for key, value in items.items():
        changed[key] = value
    return changed
