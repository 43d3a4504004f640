"""The append-only record of what happened: one JSON object a line, its CRC-32 the last key."""

import itertools
import json
import re
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from holdfast.errors import UsageError
from holdfast.rundir.layout import JOURNAL
from holdfast.rundir.shapes import is_shaped, misshapen
from holdfast.storage import append_durably, is_no_file, read_bytes, write_atomically

Record = dict[str, Any]

_FIELDS = {  # what a record must have for `load_state` to build on it
    "epoch": ("job", "stage", "epoch"),
    "job_completed": ("job", "result"),
    "job_failed": ("job", "error"),
    "job_resumed": ("job", "stage", "epoch", "step"),
    "job_started": ("job",),
    "pipeline_state": ("extra",),
    "reset": ("backbone",),
    "run_identified": ("run_id",),
    "run_planned": ("run", "backbones", "folds"),
    "state_kept": ("main", "kfold"),
}

_WHERE_PRESENT = {"seconds"}

_LINE = re.compile(rb'(?P<body>\{.*), "crc32": (?P<crc>\d+)\}')


@dataclass(frozen=True)
class Parsed:
    """The lines of a journal, None for a damaged one, and whether a crash has torn the last."""

    lines: list[Record | None]
    torn: bool

    @property
    def records(self) -> list[Record]:
        """Every record."""
        return [record for record in self.lines if record is not None]

    @property
    def records_after_damage(self) -> list[Record]:
        """The records that follow the last torn or damaged line; all, if there is none."""
        if self.torn:
            return []
        tail = itertools.takewhile(lambda record: record is not None, reversed(self.lines))
        return [record for record in tail if record is not None][::-1]

    @property
    def fault(self) -> str | None:
        """What is damaged; a last line torn by a crash is expected and no damage."""
        bad = [str(number) for number, record in enumerate(self.lines, 1) if record is None]
        if not bad:
            return None
        shown = ", ".join(bad[:5]) + (" and others" if len(bad) > 5 else "")
        return f"line {shown} of {len(self.lines)} is not what was written"


class Journal:
    """The journal of one checkpoint directory."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / JOURNAL

    def append(self, event: str, **fields: Any) -> None:
        """Add one record, durably.

        Raises:
            UsageError: it could not be read back, because of ``fields`` a user has chosen.
        """
        record = stamped(event, **fields)
        if not is_shaped(record, required := _required(record)):
            wrong = ", ".join(misshapen(record, required)) or "nested, large or odd values"
            raise UsageError(f"{event} cannot be recorded in {self.path.name}: {wrong}")
        append_durably(self.path, self._newline_if_torn() + _line(record))

    def read(self) -> list[Record]:
        """Return every whole record; a line torn by a crash, or damaged since, is not one."""
        return self.parse().records

    def parse(self) -> "Parsed":
        """Read the file once, and judge every line of it."""
        data = b"" if is_no_file(self.path) else read_bytes(self.path) or b""
        lines = _parse_lines(data.splitlines())
        torn = bool(lines) and lines[-1] is None and not data.endswith(b"\n")
        return Parsed(lines[:-1] if torn else lines, torn)

    def write_anew(self, records: Iterable[Record]) -> None:
        """Let the journal consist of these records."""
        write_atomically(self.path, b"".join(_line(record) for record in records))

    def rewrite(self, keep: Callable[[Record], bool], add: Iterable[Record] = ()) -> None:
        """Drop the records that ``keep`` refuses and add others; untouched if nothing changes."""
        records = self.read()
        kept = [record for record in records if keep(record)]
        added = list(add)
        if added or len(kept) != len(records):
            self.write_anew(kept + added)

    def has(self, event: str) -> bool:
        """Tell whether there is a record of one kind."""
        return any(record["event"] == event for record in self.read())

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


def _parse_lines(lines: list[bytes]) -> list[Record | None]:
    """Read each line; a second one with the same bytes, its time among them, was never written."""
    seen: set[bytes] = set()
    records = []
    for line in lines:
        records.append(None if line in seen else _parse(line))
        seen.add(line)
    return records


def _parse(line: bytes) -> Record | None:
    match = _LINE.fullmatch(line)
    if match is None or zlib.crc32(match["body"]) != int(match["crc"][:12]):
        return None
    try:
        record: Record = json.loads(match["body"] + b"}")
    except (ValueError, RecursionError):
        return None
    return record if is_shaped(record, _required(record)) else None


def _required(record: Record) -> tuple[str, ...]:
    event = record.get("event")
    known = _FIELDS.get(event, ()) if isinstance(event, str) else ()
    return ("time", "event", *known, *_WHERE_PRESENT & record.keys())
