"""The append-only record of what happened: one JSON object a line, its CRC-32 the last key."""

import itertools
import json
import re
import zlib
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from holdfast.rundir.layout import JOURNAL
from holdfast.storage import append_durably, write_atomically

Record = dict[str, Any]

_LINE = re.compile(rb'(?P<body>\{.*), "crc32": (?P<crc>\d+)\}')


class Journal:
    """The journal of one checkpoint directory."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / JOURNAL

    def append(self, event: str, **fields: Any) -> None:
        """Add one record, durably."""
        append_durably(self.path, self._newline_if_torn() + _line(stamped(event, **fields)))

    def read(self) -> list[Record]:
        """Return every whole record; a line torn by a crash, or damaged since, is not one."""
        return [record for record in self._parsed() if record is not None]

    def read_after_damage(self) -> list[Record]:
        """Return the records that follow the last torn or damaged line; all, if there is none."""
        tail = itertools.takewhile(lambda record: record is not None, reversed(self._parsed()))
        return [record for record in tail if record is not None][::-1]

    def rewrite(self, keep: Callable[[Record], bool], add: Iterable[Record] = ()) -> None:
        """Drop the records that ``keep`` refuses and add others; untouched if nothing changes."""
        records = self.read()
        kept = [record for record in records if keep(record)]
        added = list(add)
        if added or len(kept) != len(records):
            write_atomically(self.path, b"".join(_line(record) for record in kept + added))

    def has(self, event: str) -> bool:
        """Tell whether there is a record of one kind."""
        return any(record["event"] == event for record in self.read())

    def _parsed(self) -> list[Record | None]:
        if not self.path.exists():
            return []
        return [_parse(line) for line in self.path.read_bytes().splitlines()]

    def _newline_if_torn(self) -> bytes:
        if not self.path.exists() or self.path.stat().st_size == 0:
            return b""
        with self.path.open("rb") as file:
            file.seek(-1, 2)
            return b"" if file.read(1) == b"\n" else b"\n"


def stamped(event: str, **fields: Any) -> Record:
    """Return a record of now."""
    return {"time": datetime.now().isoformat(), "event": event, **fields}


def _line(record: Record) -> bytes:
    body = json.dumps(record).encode()[:-1]
    return body + b', "crc32": %d}\n' % zlib.crc32(body)


def _parse(line: bytes) -> Record | None:
    match = _LINE.fullmatch(line)
    if match is None or zlib.crc32(match["body"]) != int(match["crc"]):
        return None
    record: Record = json.loads(match["body"] + b"}")
    return record
