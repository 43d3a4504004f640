"""The headers of a zip, which no CRC covers: whether two readers can take them for two things.

One flipped bit makes a folder of a record: torch then reads nothing, and returns a tensor of
whatever happens to be in memory, while zipfile reads on and finds the right CRC. Where sizes,
counts or flags disagree, or bytes stand before or behind the archive, each reader believes
another one of them.
"""

import struct
from typing import IO
from zipfile import ZIP_STORED, ZipFile, ZipInfo

_FOLDER = 0x10  # the bit that DOS sets for one
_LOCAL = struct.Struct("<4sHHH")  # magic, version, flags, method, ...
_ENTRY = struct.Struct("<4s24xHHHH10x")  # magic, ..., lengths of name, extra and comment, disk, ...
_END = struct.Struct("<4sHHHHLLH")
_END64 = struct.Struct("<4sQ4xLLQQQQ")
_LOCATOR = struct.Struct("<4sLQL")


def strange_header(archive: ZipFile) -> str | None:
    """Name a record whose header is not as torch writes it, or the table that lists them all."""
    records = archive.infolist()
    assert archive.fp is not None
    if not records or records[0].header_offset != 0 or not _is_closed(archive, archive.fp):
        return "table"
    folder = records[0].filename.partition("/")[0]
    seen: set[str] = set()
    for record in records:
        name = record.filename.lower()  # as torch's reader compares
        inside = name not in seen and record.filename.startswith(f"{folder}/")
        if not (inside and _is_plain(record) and _agrees(record, archive.fp)):
            return record.filename
        seen.add(name)
    return None


def _is_plain(record: ZipInfo) -> bool:
    stored = record.compress_type == ZIP_STORED and record.compress_size == record.file_size
    return stored and not record.external_attr & _FOLDER


def _agrees(record: ZipInfo, file: IO[bytes]) -> bool:
    """Compare a record's own header with what the table says of it."""
    file.seek(record.header_offset)
    _, _, flags, method = _LOCAL.unpack(file.read(_LOCAL.size))
    return bool((flags, method) == (record.flag_bits, record.compress_type))


def _is_closed(archive: ZipFile, file: IO[bytes]) -> bool:
    """Tell whether the table, and what follows it to the file's end, say one and the same."""
    file.seek(archive.start_dir)
    rest, at, count = file.read(), 0, len(archive.infolist())
    for _ in range(count):
        magic, name, extra, comment, disk = _ENTRY.unpack_from(rest, at)
        if (magic, comment, disk) != (b"PK\1\2", 0, 0):
            return False
        at += _ENTRY.size + name + extra
    facts = (count, count, at, archive.start_dir)
    return _is_end(rest[at:], facts, archive.start_dir + at)


def _is_end(data: bytes, facts: tuple[int, ...], offset: int) -> bool:
    """Compare the end of a zip with what it must say; large numbers stand in its 64-bit part."""
    large, end = data[: -_END.size], data[-_END.size :]
    magic, *disks, n, count, size, start, comment = _END.unpack(end)
    most = (0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF)
    said = zip((n, count, size, start), facts, most, strict=True)
    good = all(value == fact or (large and value == limit) for value, fact, limit in said)
    if (magic, disks, comment) != (b"PK\5\6", [0, 0], 0) or not good:
        return False
    return not large or _is_large_end(large, facts, offset)


def _is_large_end(data: bytes, facts: tuple[int, ...], offset: int) -> bool:
    if len(data) != _END64.size + _LOCATOR.size:
        return False
    body = _END64.size - 12  # what follows its own length
    return _END64.unpack_from(data) == (b"PK\6\6", body, 0, 0, *facts) and _LOCATOR.unpack_from(
        data, _END64.size
    ) == (b"PK\6\7", 0, offset, 1)
