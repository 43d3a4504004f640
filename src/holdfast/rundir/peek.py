"""What a ``.pth`` says of itself, read without torch and without running anything.

The pickle inside a file of torch calls a handful of functions that rebuild tensors. Here each
of torch's names stands for a function that does nothing, and any other name is refused.
"""

import io
import pickle
import zipfile
from collections import Counter, OrderedDict
from pathlib import Path
from typing import Any

_SAFE = {
    ("collections", "OrderedDict"): OrderedDict,
    ("collections", "Counter"): Counter,
    ("builtins", "set"): set,
    ("builtins", "frozenset"): frozenset,
    ("builtins", "complex"): complex,
    ("builtins", "bytearray"): bytearray,
    ("_codecs", "encode"): lambda text, _: text,
}
_TORCH = ("torch", "torch._utils", "torch.serialization", "torch.storage", "torch._tensor")


class Stub:
    """Whatever torch would have built."""

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
        name = next((n for n in archive.namelist() if n.endswith("/data.pkl")), None)
        if name is None:
            raise ValueError("not a file of torch")
        pickled = archive.read(name)
    try:
        return _Reader(io.BytesIO(pickled)).load()
    except pickle.UnpicklingError as error:
        raise ValueError(str(error)) from error
    except (EOFError, LookupError, AttributeError, TypeError, OverflowError) as error:
        raise ValueError("its pickle is damaged") from error


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _SAFE:
            return _SAFE[module, name]
        if module in _TORCH:
            return Stub
        raise pickle.UnpicklingError(f"it would run {module}.{name}")

    def persistent_load(self, key: Any) -> Stub:
        return Stub()
