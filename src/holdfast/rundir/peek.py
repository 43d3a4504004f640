"""What a ``.pth`` says of itself, read without torch and without running anything.

The pickle inside a file of torch calls a handful of functions that rebuild tensors. Here each
of torch's names stands for a function that does nothing, and any other name is refused.
"""

import io
import pickle
import struct
import zipfile
from collections import Counter, OrderedDict
from pathlib import Path
from typing import Any

_CONTAINERS = {
    ("collections", "OrderedDict"): OrderedDict,
    ("collections", "Counter"): Counter,
    ("builtins", "set"): set,
    ("builtins", "frozenset"): frozenset,
}
_VALUES = {("builtins", "complex"), ("builtins", "bytearray"), ("_codecs", "encode")}
_TORCH = ("torch", "torch._utils", "torch.serialization", "torch.storage", "torch._tensor")
_LARGEST = 2**28
_DAMAGED = (
    *(EOFError, LookupError, AttributeError, TypeError, OverflowError, AssertionError),
    *(ImportError, struct.error),
)


class Stub:
    """Whatever torch, or Python, would have built."""

    def __init__(self, *args: Any) -> None:
        pass

    def __call__(self, *args: Any) -> "Stub":
        """Be the result of any call."""
        return Stub()

    def __setstate__(self, state: Any) -> None:
        pass


def peek(path: Path) -> Any:
    """Return what torch would load from ``path``, with a `Stub` for each tensor.

    Raises:
        ValueError: it holds more than data, or its pickle is no pickle.
        zipfile.BadZipFile: it is no file of torch.
    """
    with zipfile.ZipFile(path) as archive:
        record = next((r for r in archive.infolist() if r.filename.endswith("/data.pkl")), None)
        if record is None or record.file_size > _LARGEST:
            raise ValueError("not a file of torch")
        pickled = archive.read(record)
    try:
        return _Reader(io.BytesIO(pickled)).load()
    except pickle.UnpicklingError as error:
        raise ValueError(str(error)) from error
    except _DAMAGED as error:
        raise ValueError("its pickle is damaged") from error


class _Reader(pickle._Unpickler):
    """The unpickler in Python: C's gives memory by the gigabyte to nine bytes that ask for it."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _CONTAINERS:
            return _CONTAINERS[module, name]
        if module in _TORCH or (module, name) in _VALUES:
            return Stub
        raise pickle.UnpicklingError(f"it would run {module}.{name}")

    def persistent_load(self, key: Any) -> Stub:
        return Stub()
