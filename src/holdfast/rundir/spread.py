"""State files as text: JSON with a line for each item, its sum taken of the lines as they stand."""

import json
import re
import zlib
from collections.abc import Collection
from typing import Any

Record = dict[str, Any]
_LEVELS = 3  # with a line for each item
_NO_FACTS = re.compile(rb'  "(?:timestamp|crc32)": ')
_ITEM = re.compile(rb'( {6}"[^"\\]*": )(\{.*\})(,?)')  # of the third level


def facts_crc(record: Record) -> int:
    """Return the checksum of all that a file says of the run; the time of writing is not that."""
    facts = {key: value for key, value in record.items() if key not in ("timestamp", "crc32")}
    return zlib.crc32(json.dumps(facts).encode())


def spread(record: Record) -> bytes:
    """Return a record with its checksum, as a file has it."""
    whole = {**record, "crc32": facts_crc(record)}
    return _spread(whole, _LEVELS).encode() + b"\n"


def agrees(record: Record, data: bytes) -> bool:
    """Tell whether a record that was read of ``data`` is what was written, by its checksum."""
    written = record.get("crc32")
    return written == _crc_of(data) or written == facts_crc(record)


def skimmed(data: bytes, keep: Collection[str]) -> Record | None:
    """Return what a file says, of the items on the third level no more than the keys ``keep``.

    None where the bytes are not those that `spread` gives: the rest is read by nobody.
    """
    short: Record = json.loads(b"\n".join(_cut(line, keep) for line in data.split(b"\n")))
    return short if isinstance(short, dict) and short.get("crc32") == _crc_of(data) else None


def _cut(line: bytes, keep: Collection[str]) -> bytes:
    match = _ITEM.fullmatch(line)
    if match is None:
        return line
    item = json.loads(match[2])
    return match[1] + json.dumps({k: item[k] for k in keep if k in item}).encode() + match[3]


def _crc_of(data: bytes) -> int:
    """Return `facts_crc` of what `spread` has written, off the bytes, without their margins."""
    lines = [line for line in data.split(b"\n") if not _NO_FACTS.match(line)]
    joined = b"".join(line.lstrip(b" ") + b" " * line.endswith(b",") for line in lines)
    return zlib.crc32(joined.removesuffix(b", }") + b"}")


def _spread(value: Any, levels: int, margin: str = "\n  ") -> str:
    """Return JSON with a line for each item of so many levels; all of it would take long."""
    if not levels or not isinstance(value, dict) or not value:
        return json.dumps(value)
    items = (f"{json.dumps(k)}: {_spread(v, levels - 1, margin + '  ')}" for k, v in value.items())
    return "{" + margin + f",{margin}".join(items) + margin[:-2] + "}"
