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
_LOCAL = struct.Struct("<4s2xHH16xHH")  # magic, ..., flags, method, ..., lengths of name and extra
_UTF8, _ENCRYPTED = 0x0800, 0x0041
_ENTRY = struct.Struct("<4s24xHHHH10x")  # magic, ..., lengths of name, extra and comment, disk, ...
_END = struct.Struct("<4sHHHHLLH")
_END64 = struct.Struct("<4sQ4xLLQQQQ")
_LOCATOR = struct.Struct("<4sLQL")


class StrangeHeaderError(Exception):
    """A record's header, or the table of them all, is not as torch writes it; says which."""


def data_starts(archive: ZipFile) -> list[int]:
    """Return where the data of each record begins, in the order of the table.

    Raises:
        StrangeHeaderError: two readers could take something for two things.
    """
    records = archive.infolist()
    assert archive.fp is not None
    if not records or records[0].header_offset != 0 or not _is_closed(archive, archive.fp):
        raise StrangeHeaderError("table")
    folder = records[0].filename.partition("/")[0]
    seen: set[str] = set()
    starts = []
    for record in records:
        name = record.filename.lower()  # as torch's reader compares
        start = _data_start(record, archive.fp)
        inside = name not in seen and record.filename.startswith(f"{folder}/")
        if not (inside and _is_plain(record) and start):
            raise StrangeHeaderError(record.filename)
        seen.add(name)
        starts.append(start)
    return starts


def _is_plain(record: ZipInfo) -> bool:
    stored = record.compress_type == ZIP_STORED and record.compress_size == record.file_size
    return stored and not record.external_attr & _FOLDER and not record.flag_bits & _ENCRYPTED


def _data_start(record: ZipInfo, file: IO[bytes]) -> int | None:
    """Return where a record's data begins, if its own header says what the table says of it."""
    file.seek(record.header_offset)
    magic, flags, method, length, extra = _LOCAL.unpack(file.read(_LOCAL.size))
    name = file.read(length).decode("utf-8" if flags & _UTF8 else "cp437")
    said = (magic, flags, method, name)
    if said != (b"PK\3\4", record.flag_bits, record.compress_type, record.orig_filename):
        return None
    start: int = record.header_offset + _LOCAL.size + length + extra
    return start


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
