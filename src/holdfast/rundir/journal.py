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
from holdfast.rundir.layout import JOURNAL, JobName
from holdfast.rundir.shapes import is_shaped, misshapen
from holdfast.storage import append_durably, is_no_file, read_bytes, write_atomically

Record = dict[str, Any]
WHOLE, EPOCHS_CHECKED, SKIMMED = "whole", "epochs checked", "skimmed"

_FIELDS = {  # what a record must have for `load_state` to build on it
    "epoch": ("job", "stage", "epoch"),
    "job_completed": ("job", "result"),
    "job_failed": ("job", "error"),
    "job_resumed": ("job", "stage", "epoch", "step"),
    "job_started": ("job",),
    "moved": ("current_backbone", "current_fold", "current_stage", "current_epoch"),
    "pipeline_state": ("extra",),
    "reset": ("backbone",),
    "run_identified": ("run_id",),
    "run_planned": ("run", "backbones", "folds"),
    "state_kept": ("main", "kfold"),
}

_WHERE_PRESENT = {"seconds"}

_EPOCH = b'", "event": "epoch", '
_HEAD = 64  # bytes that hold a line's time and event, and nothing of what follows them
_EPOCH_LINE = re.compile(
    rb'(?P<body>\{"time": "[^"\\]*", "event": "epoch", "job": "(?P<job>[^"\\]*)", '
    rb'"stage": "[A-Za-z][A-Za-z0-9]*", "epoch": \d{1,9}'
    rb'(?:, "\w+": (?:-?\d{1,99}(?:\.\d+)?(?:e-?\d+)?|NaN))*), "crc32": (?P<crc>\d{1,10})\}'
)
_DONE_LINE = re.compile(
    rb'(?P<body>(?P<head>\{"time": "[^"\\]*", "event": "job_completed", "job": "[\w.+-]*"), '
    rb'"result": \{.*\}(?P<tail>, "seconds": [\d.]{1,20}, "weights": (?:true|false))), '
    rb'"crc32": (?P<crc>\d{1,10})\}'
)
_LINE = re.compile(rb'(?P<body>\{.*), "crc32": (?P<crc>\d+)\}')


@dataclass(frozen=True)
class Parsed:
    """The lines of a journal, None for a damaged one, and whether a crash has torn the last."""

    lines: list[Record | None]
    torn: bool
    known: int | None = None
    """How many of them the state files know; None where a mark is not among them."""
    mark: int | None = None
    """What marks the last line."""

    @property
    def records(self) -> list[Record]:
        """Every record."""
        return [record for record in self.lines if record is not None]

    @property
    def news(self) -> list[Record]:
        """The records that some state file has not heard of, as far as the marks tell."""
        tail = [] if self.known is None else self.lines[self.known :]
        return [record for record in tail if record is not None]

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

    def parse(self, marks: Iterable[int | None] = (), old: str = WHOLE) -> "Parsed":
        """Read the file once, and judge every line of it.

        ``marks`` are those of the last line that each state file knows. Lines up to the first of
        them are read ``WHOLE``; or of their epochs, nine lines of ten, no more than the job
        (``EPOCHS_CHECKED``); or without epochs, and without the results (``SKIMMED``).
        """
        data = b"" if is_no_file(self.path) else read_bytes(self.path) or b""
        lines = data.splitlines()
        known = _find(marks, lines)
        newer = max(len(lines) - 1, 0) if known is None else known
        before, new = lines[:newer], lines[newer:]
        if old == SKIMMED:
            before = [line for line in before if line.find(_EPOCH, 0, _HEAD) < 0]
        results = old != SKIMMED or known is None
        seen: set[bytes] = set()
        records = _parse_lines(before, seen, old != WHOLE, results) + _parse_lines(new, seen)
        torn = bool(records) and records[-1] is None and not data.endswith(b"\n")
        at = None if known is None else len(before)
        return Parsed(records[:-1] if torn else records, torn, at, mark_of(lines))

    def epochs_of(self, job: JobName) -> list[Record]:
        """Return the epochs of one job."""
        lines = (read_bytes(self.path) or b"").splitlines()
        return [r for line in lines if (r := _parse_about(line, job)) and r["event"] == "epoch"]

    def parse_from(self, start: int, end: int) -> tuple[list[Record], int | None] | None:
        """Read what was appended between two sizes of the file, with its mark.

        None where that is not whole lines, each as it was written.
        """
        with self.path.open("rb") as file:
            file.seek(max(start - 1, 0))
            data = file.read(end - max(start - 1, 0))
        if (start and not data.startswith(b"\n")) or not data.endswith(b"\n"):
            return None
        lines = data[1 if start else 0 :].splitlines()
        records = [record for line in lines if (record := _parse(line)) is not None]
        return (records, mark_of(lines)) if len(records) == len(lines) else None

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


def mark_of(lines: list[bytes]) -> int | None:
    """Return what marks the last line: its checksum."""
    match = _LINE.fullmatch(lines[-1]) if lines else None
    return int(match["crc"][:12]) if match else None


def _find(marks: Iterable[int | None], lines: list[bytes]) -> int | None:
    """Return how many lines there are up to the first marked one; None if one is not there."""
    found = []
    for mark in marks:
        ending = b', "crc32": %d}' % (-1 if mark is None else mark)
        counts = range(len(lines), 0, -1)
        found.append(next((n for n in counts if lines[n - 1].endswith(ending)), None))
    known = [count for count in found if count is not None]
    return min(known) if found and len(known) == len(found) else None


def _parse_lines(
    lines: list[bytes], seen: set[bytes], thin_epochs: bool = False, results: bool = True
) -> list[Record | None]:
    """Read each line; a second one with the same bytes, its time among them, was never written."""
    records: list[Record | None] = []
    epochs: dict[bytes, Record] = {}
    for line in lines:
        record = None
        if line not in seen:
            record = _thin_epoch(line, epochs) if thin_epochs else None
            record = record or (None if results else _without_result(line)) or _parse(line)
        records.append(record)
        seen.add(line)
    return records


def _thin_epoch(line: bytes, known: dict[bytes, Record]) -> Record | None:
    """Check the line of an epoch, and return one for all of its job's."""
    match = _EPOCH_LINE.fullmatch(line)
    if match is None or zlib.crc32(match["body"]) != int(match["crc"]):
        return None
    if match["job"] not in known and (record := _parse(line)):
        known[match["job"]] = {key: record[key] for key in ("time", "event", "job")}
    return known.get(match["job"])


def _without_result(line: bytes) -> Record | None:
    """Check the line of a completion, and return what stands around its result."""
    match = _DONE_LINE.fullmatch(line)
    if match is None or zlib.crc32(match["body"]) != int(match["crc"]):
        return None
    record: Record = json.loads(match["head"] + match["tail"] + b"}")
    return record


def _parse_about(line: bytes, job: JobName) -> Record | None:
    """Read a line that names a job; a look at the bytes spares the reading of the others."""
    record = _parse(line) if json.dumps(str(job)).encode() in line else None
    return record if record and record.get("job") == str(job) else None


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
