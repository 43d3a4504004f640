"""The zip that ``torch.save`` makes, byte for byte, by raw writes from the tensors' own memory.

``torch.save`` takes what it writes from the live tensors, all at once. Here the pickle is made at
one time and the storages come later, one by one, from wherever their bytes are then. CRCs and
writes of large pieces release the GIL, so another thread goes on meanwhile.
"""

import ctypes
import io
import pickle
import struct
import sys
import zlib
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, BinaryIO

import torch

from holdfast.errors import UsageError

_PIECE = 16 << 20
_ALIGNMENT = 64
_LARGE = 0xFFFFFFFF  # from here on a number stands in the 64-bit part
_MANY = 0xFFFF
_HAS_DESCRIPTOR, _UTF8 = 0x0008, 0x0800
_LOCAL = struct.Struct("<4sHHHLLLLHH")  # magic, version, flags, method, time, crc, sizes, lengths
_ENTRY = struct.Struct("<4sHHHHLLLLHHHHHLL")
_END64 = struct.Struct("<4sQHHLLQQQQ")
_LOCATOR = struct.Struct("<4sLQL")
_END = struct.Struct("<4sHHHHLLH")
_MADE_BY, _NEEDED = 0x031E, 45  # what torch says of the 64-bit end


@dataclass(frozen=True)
class Packed:
    """A record as torch stores it: a pickle that names its storages by their place in a list."""

    pickled: bytes
    storages: list[torch.UntypedStorage]


def in_place(storages: Sequence[torch.UntypedStorage]) -> Generator[memoryview]:
    """Yield the bytes of each storage where they lie; from a device, one storage at a time."""
    for storage in storages:
        host = storage.cpu()  # type: ignore[no-untyped-call]
        yield bytes_of(host)
        del host


def pack(record: Any) -> Packed:
    """Pickle ``record`` as ``torch.save`` does, all tensors being the CPU's; none is touched.

    Raises:
        UsageError: tensors of several types share memory, which no file of torch can hold.
    """
    buffer = io.BytesIO()
    pickler = _Pickler(buffer, protocol=2)
    pickler.dump(record)
    return Packed(buffer.getvalue(), list(pickler.storages.values()))


def write_archive(file: BinaryIO, pickled: bytes, storages: Iterable[memoryview]) -> None:
    """Write a file of torch, sequentially.

    Each view in ``storages`` is done with before the next is asked for.
    """
    archive = _Archive(file)
    archive.add("data.pkl", pickled)
    archive.add(".format_version", b"1")
    archive.add(".storage_alignment", str(_ALIGNMENT).encode())
    archive.add("byteorder", sys.byteorder.encode())
    count = 0
    for view in storages:
        archive.add(f"data/{count}", view)
        count += 1
        del view  # what it shows may go before the next is made
    archive.add("version", b"3\n")
    archive.add(".data/serialization_id", f"{_hash_of_names(count)}{archive.sums:020}".encode())
    archive.end()


class _Pickler(pickle.Pickler):
    """Names storages instead of pickling them, as the one inside ``torch.save`` does."""

    def __init__(self, file: BinaryIO, protocol: int) -> None:
        super().__init__(file, protocol)
        self.storages: dict[int, torch.UntypedStorage] = {}
        self._keys: dict[int, str] = {}
        self._types: dict[int, torch.dtype] = {}

    def persistent_id(self, value: Any) -> tuple[Any, ...] | None:
        if not isinstance(value, torch.storage.TypedStorage):
            return None
        typed: Any = value
        storage, kind = typed._untyped_storage, getattr(torch, typed._pickle_storage_type())
        self._check_type(storage, typed.dtype)
        key = self._keys.setdefault(storage._cdata, str(len(self._keys)))
        self.storages[storage._cdata] = storage
        return "storage", kind, key, "cpu", typed._size()

    def _check_type(self, storage: torch.UntypedStorage, dtype: torch.dtype) -> None:
        at = storage.data_ptr()
        if at and self._types.setdefault(at, dtype) != dtype:
            raise UsageError(
                f"the checkpoint holds the same memory as {self._types[at]} and as {dtype}, which "
                "torch.load would not read back; clone one of the two tensors"
            )


class _Archive:
    """A zip under way, as torch lays it out: stored records, their data aligned."""

    def __init__(self, file: BinaryIO) -> None:
        self.sums = 0
        """The CRCs so far, of what is not empty, combined as in torch's serialization id."""
        self._file = file
        self._at = 0
        self._table: list[bytes] = []

    def add(self, name: str, data: bytes | memoryview) -> None:
        """Write one record."""
        full, size, start = f"archive/{name}".encode(), len(data), self._at
        flags = _UTF8 | (_HAS_DESCRIPTOR if size else 0)
        extra = _local_extra(len(full), size, start)
        lengths = (len(full), len(extra))
        self._write(_LOCAL.pack(b"PK\3\4", 0, flags, 0, 0, 0, 0, 0, *lengths) + full + extra)
        crc = self._copy(memoryview(data))
        if size:
            form = "<4sLQQ" if max(size, start) >= _LARGE else "<4sLLL"
            self._write(struct.pack(form, b"PK\7\10", crc, size, size))
            self.sums = _combined(self.sums, crc)
        self._table.append(_entry(full, flags, crc, size, start))

    def end(self) -> None:
        """Write the table of all records, and what follows it."""
        start, count = self._at, len(self._table)
        for entry in self._table:
            self._write(entry)
        size, after = self._at - start, self._at
        body = _END64.size - 12  # what follows its own length
        numbers = (0, 0, count, count, size, start)
        self._write(_END64.pack(b"PK\6\6", body, _MADE_BY, _NEEDED, *numbers))
        self._write(_LOCATOR.pack(b"PK\6\7", 0, after, 1))
        few, short = min(count, _MANY), (min(size, _LARGE), min(start, _LARGE))
        self._write(_END.pack(b"PK\5\6", 0, 0, few, few, *short, 0))

    def _copy(self, data: memoryview) -> int:
        """Write ``data`` in pieces and return its CRC."""
        crc = 0
        for at in range(0, len(data), _PIECE):
            piece = data[at : at + _PIECE]
            crc = zlib.crc32(piece, crc)
            self._write(piece)
        return crc

    def _write(self, data: bytes | memoryview) -> None:
        self._file.write(data)
        self._at += len(data)


def _local_extra(name: int, size: int, start: int) -> bytes:
    """Return what stands between a record's name and its data, which begins at a multiple of 64."""
    large = _large((size, 0) if size >= _LARGE else (), start)
    data = start + _LOCAL.size + name + len(large) + 4
    padding = -data % _ALIGNMENT
    return large + b"FB" + struct.pack("<H", padding) + b"Z" * padding


def _entry(name: bytes, flags: int, crc: int, size: int, start: int) -> bytes:
    """Return a record's line in the table."""
    large = _large((size, size) if size >= _LARGE else (), start)
    short = min(size, _LARGE)
    lengths = (len(name), len(large), 0, 0, 0)
    numbers = (crc, short, short, *lengths, 0, min(start, _LARGE))
    return _ENTRY.pack(b"PK\1\2", 0, 0, flags, 0, 0, *numbers) + name + large


def _large(sizes: tuple[int, ...], start: int) -> bytes:
    numbers = (*sizes, start) if start >= _LARGE else sizes
    return struct.pack(f"<HH{len(numbers)}Q", 1, 8 * len(numbers), *numbers) if numbers else b""


def _combined(seed: int, value: int) -> int:
    """Return what torch's ``hash_combine`` gives."""
    return seed ^ (value + 0x9E3779B9 + (seed << 6) + (seed >> 2)) & 0xFFFFFFFFFFFFFFFF


@lru_cache(maxsize=16)
def _hash_of_names(count: int) -> str:
    """Return the first half of torch's serialization id, a hash of names in the order of a hash."""
    writer = torch._C.PyTorchFileWriter(io.BytesIO())
    names = ("data.pkl", ".format_version", ".storage_alignment", "byteorder")
    for name in (*names, *(f"data/{key}" for key in range(count))):
        writer.write_record(name, b"", 0)
    writer.write_end_of_file()
    return writer.serialization_id()[:20]


def bytes_of(storage: torch.UntypedStorage) -> memoryview:
    """Return the memory of ``storage``; numpy would for ever keep it from being resized."""
    return memoryview((ctypes.c_ubyte * storage.nbytes()).from_address(storage.data_ptr()))
