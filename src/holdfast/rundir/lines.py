"""The lines of the journal: how each is written, checked and read."""

import json
import re
import zlib
from collections.abc import Callable, Iterable
from typing import Any

from holdfast.rundir.shapes import is_shaped

Record = dict[str, Any]
Vouched = tuple[int, int] | None  # a size of the journal, and the checksum up to there
Thin = Callable[[bytes, dict[bytes, Record]], Record | None]

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

EPOCH = b'", "event": "epoch", '
_EPOCH_OF = EPOCH + b'"job": "'
HEAD = 64  # bytes that hold a line's time and event, and nothing of what follows them
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
JOB_LINE = re.compile(rb'\{"time": "[^"\\]*", "event": "\w+", "job": (?P<job>"[^"\\]*")')
_LINE = re.compile(rb'(?P<body>\{.*), "crc32": (?P<crc>\d+)\}')


def line_of(record: Record) -> bytes:
    """Return the line of a record, with its checksum."""
    body = json.dumps(record).encode()[:-1]
    return body + b', "crc32": %d}\n' % zlib.crc32(body)


def mark_of(lines: list[bytes]) -> int | None:
    """Return what marks the last line: its checksum."""
    match = _LINE.fullmatch(lines[-1]) if lines else None
    return int(match["crc"][:12]) if match else None


def find_marked(marks: Iterable[int | None], lines: list[bytes]) -> int | None:
    """Return how many lines there are up to the first marked one; None if one is not there."""
    found = []
    for mark in marks:
        ending = b', "crc32": %d}' % (-1 if mark is None else mark)
        counts = range(len(lines), 0, -1)
        found.append(next((n for n in counts if lines[n - 1].endswith(ending)), None))
    known = [count for count in found if count is not None]
    return min(known) if found and len(known) == len(found) else None


def is_as_vouched(data: bytes, lines: int, vouched: Vouched) -> bool:
    """Tell whether so many lines are what somebody has read whole and summed up."""
    size, crc = vouched or (0, None)
    with memoryview(data)[:size] as start:
        return zlib.crc32(start) == crc and data.count(b"\n", 0, size) == lines


def parse_lines(
    lines: list[bytes], seen: set[bytes], thin: Thin | None = None, results: bool = True
) -> list[Record | None]:
    """Read each line; a second one with the same bytes, its time among them, was never written."""
    records: list[Record | None] = []
    epochs: dict[bytes, Record] = {}
    for line in lines:
        record = None
        if line not in seen:
            record = thin(line, epochs) if thin else None
            record = record or (None if results else _without_result(line)) or parse_line(line)
        records.append(record)
        seen.add(line)
    return records


def checked_epoch(line: bytes, known: dict[bytes, Record]) -> Record | None:
    """Check the line of an epoch, and return one for all of its job's."""
    match = _EPOCH_LINE.fullmatch(line)
    if match is None or zlib.crc32(match["body"]) != int(match["crc"]):
        return None
    if match["job"] not in known and (record := parse_line(line)):
        known[match["job"]] = {key: record[key] for key in ("time", "event", "job")}
    return known.get(match["job"])


def vouched_epoch(line: bytes, known: dict[bytes, Record]) -> Record | None:
    """Return one record for all epochs of a job; the line need not be checked any more."""
    at = line.find(_EPOCH_OF, 0, HEAD + len(_EPOCH_OF)) + len(_EPOCH_OF)
    job = line[at : line.find(b'"', at)] if at >= len(_EPOCH_OF) else b""
    return known.get(job) or checked_epoch(line, known)


def _without_result(line: bytes) -> Record | None:
    """Check the line of a completion, and return what stands around its result."""
    match = _DONE_LINE.fullmatch(line)
    if match is None or zlib.crc32(match["body"]) != int(match["crc"]):
        return None
    record: Record = json.loads(match["head"] + match["tail"] + b"}")
    return record


def parse_line(line: bytes) -> Record | None:
    """Read one line; None where it is not what was written."""
    match = _LINE.fullmatch(line)
    if match is None or zlib.crc32(match["body"]) != int(match["crc"][:12]):
        return None
    try:
        record: Record = json.loads(match["body"] + b"}")
    except (ValueError, RecursionError):
        return None
    return record if is_shaped(record, required_fields(record)) else None


def required_fields(record: Record) -> tuple[str, ...]:
    """Name the fields that a record of its event must have."""
    event = record.get("event")
    known = _FIELDS.get(event, ()) if isinstance(event, str) else ()
    return ("time", "event", *known, *_WHERE_PRESENT & record.keys())
