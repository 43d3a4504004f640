"""What a ``.pth`` says of itself, read without torch and without running anything.

The pickle inside a file of torch calls a handful of functions that rebuild tensors. Here each
of their names stands for a function that does nothing, and any other name is refused.
"""

import io
import pickle
import re
import struct
import zipfile
from collections import Counter, OrderedDict
from pathlib import Path
from typing import Any

from holdfast.errors import StorageError

_CONTAINERS = {
    ("collections", "OrderedDict"): OrderedDict,
    ("collections", "Counter"): Counter,
    ("builtins", "set"): set,
}
_VALUES = re.compile(  # what torch builds too where it loads weights only
    r"builtins\.(complex|bytearray)|_codecs\.encode|torch\.(Size|device|Tensor|bool)"
    r"|torch\.(bfloat|float|complex|int|uint|qint|quint|bits)\d\w*"
    r"|torch\.per_(tensor|channel)_\w+|torch\.(cuda\.)?(sparse\.)?[A-Z]\w*(Tensor|Storage)"
    r"|torch\._utils\._rebuild_\w+|torch\._tensor\._rebuild_from_type_v2"
    r"|torch\.serialization\._get_layout|torch\.storage\.(Typed|Untyped)Storage"
    r"|torch\.nn\.parameter\.Parameter"
)
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


def peek_or_none(path: Path) -> dict[str, Any] | None:
    """Return the dict that a checkpoint holds; None where it cannot be read: `verify` says why."""
    try:
        record = peek(path)
    except (OSError, ValueError, zipfile.BadZipFile, StorageError):
        return None
    return record if isinstance(record, dict) else None


class _Reader(pickle._Unpickler):
    """The unpickler in Python: C's gives memory by the gigabyte to nine bytes that ask for it."""

    def find_class(self, module: str, name: str) -> Any:
        module = "builtins" if module == "__builtin__" else module  # as torch's protocol has it
        if (module, name) in _CONTAINERS:
            return _CONTAINERS[module, name]
        if _VALUES.fullmatch(f"{module}.{name}"):
            return Stub
        raise pickle.UnpicklingError(f"it would run {module}.{name}")

    def persistent_load(self, key: Any) -> Stub:
        return Stub()
