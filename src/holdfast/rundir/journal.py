"""The append-only record of what happened: one JSON object a line, its CRC-32 the last key."""

import itertools
import json
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from holdfast.errors import UsageError
from holdfast.rundir.layout import JOURNAL, JobName
from holdfast.rundir.lines import (
    EPOCH,
    HEAD,
    JOB_LINE,
    Record,
    Vouched,
    checked_epoch,
    find_marked,
    is_as_vouched,
    line_of,
    mark_of,
    parse_line,
    parse_lines,
    required_fields,
    vouched_epoch,
)
from holdfast.rundir.shapes import is_shaped, misshapen
from holdfast.storage import append_durably, is_no_file, read_bytes, write_atomically

WHOLE, EPOCHS_CHECKED, SKIMMED = "whole", "epochs checked", "skimmed"


@dataclass(frozen=True)
class Parsed:
    """The lines of a journal, None for a damaged one, and whether a crash has torn the last."""

    lines: list[Record | None]
    torn: bool
    known: int | None = None
    """How many of them the state files know; None where a mark is not among them."""
    mark: int | None = None
    """What marks the last line."""
    size: int | None = None
    """The size of the file up to there; None where that is in no line's end."""
    crc: int | None = None
    """The checksum of all of it; None where a line is damaged or was not looked at."""

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
        self.extend([stamped(event, **fields)])

    def extend(self, records: Iterable[Record]) -> None:
        """Add several, durably; a crash may leave the first of them alone.

        Raises:
            UsageError: one of them could not be read back.
        """
        lines = b"".join(map(self._checked_line, records))
        append_durably(self.path, self._newline_if_torn() + lines)

    def read(self) -> list[Record]:
        """Return every whole record; a line torn by a crash, or damaged since, is not one."""
        return self.parse().records

    def parse(
        self, marks: Iterable[int | None] = (), old: str = WHOLE, vouched: Vouched = None
    ) -> "Parsed":
        """Read the file once, and judge every line of it.

        ``marks`` are those of the last line that each state file knows. Lines up to the first of
        them are read ``WHOLE``; or of their epochs, nine lines of ten, no more than the job
        (``EPOCHS_CHECKED``); or without epochs, and without the results (``SKIMMED``). Where they
        are, to the byte, what ``vouched`` says, they were judged before that was written.
        """
        data = b"" if is_no_file(self.path) else read_bytes(self.path) or b""
        lines = data.splitlines()
        known = find_marked(marks, lines)
        newer = max(len(lines) - 1, 0) if known is None else known
        before, new = lines[:newer], lines[newer:]
        if old == SKIMMED:
            before = [line for line in before if line.find(EPOCH, 0, HEAD) < 0]
        results = old != SKIMMED or known is None
        epochs = checked_epoch
        if old == EPOCHS_CHECKED and known is not None and is_as_vouched(data, known, vouched):
            epochs = vouched_epoch
        seen: set[bytes] = set()
        first = parse_lines(before, seen, epochs if old != WHOLE else None, results)
        records = first + parse_lines(new, seen)
        torn = bool(records) and records[-1] is None and not data.endswith(b"\n")
        at = None if known is None else len(before)
        size = len(data) if data.endswith(b"\n") else None
        good = size and old != SKIMMED and None not in records
        crc = zlib.crc32(data) if good else None
        return Parsed(records[:-1] if torn else records, torn, at, mark_of(lines), size, crc)

    def after(self, mark: int, size: int) -> "Parsed | None":
        """Read what follows the marked line, which ends at ``size``; None where it does not."""
        ending = b', "crc32": %d}\n' % mark
        start = size - len(ending)
        data = b"" if start < 0 or is_no_file(self.path) else read_bytes(self.path, start) or b""
        if not data.startswith(ending):
            return None
        lines = data[len(ending) :].splitlines()
        records = parse_lines(lines, set())
        torn = bool(records) and records[-1] is None and not data.endswith(b"\n")
        last = mark_of(lines) if lines else mark
        whole = start + len(data) if data.endswith(b"\n") else None
        return Parsed(records[:-1] if torn else records, torn, 0, last, whole)

    def about(self, jobs: Iterable[JobName], last: int | None = None) -> list[Record]:
        """Return the records that name one of these jobs; the other lines are not read.

        With ``last``, of so many bytes at the file's end.
        """
        names = {str(job) for job in jobs}
        written = {json.dumps(name).encode() for name in names}
        start = max(self.size() - last, 0) if last is not None else 0
        data = b"" if is_no_file(self.path) else read_bytes(self.path, start) or b""
        lines = data.splitlines()
        about = [n for n in lines if not (m := JOB_LINE.match(n)) or m["job"] in written]
        return [r for r in parse_lines(about, set()) if r and r.get("job") in names]

    def parse_from(
        self, start: int, end: int, crc: int | None
    ) -> tuple[list[Record], int | None, int | None] | None:
        """Read what was appended between two sizes of the file, with its mark.

        Third comes the checksum of the whole, of which ``crc`` is that of what stood before. None
        where that is not whole lines, each as it was written.
        """
        with self.path.open("rb") as file:
            file.seek(max(start - 1, 0))
            data = file.read(end - max(start - 1, 0))
        if (start and not data.startswith(b"\n")) or not data.endswith(b"\n"):
            return None
        added = data[1 if start else 0 :]
        lines = added.splitlines()
        records = [record for line in lines if (record := parse_line(line)) is not None]
        whole = None if crc is None else zlib.crc32(added, crc)
        return (records, mark_of(lines), whole) if len(records) == len(lines) else None

    def write_anew(self, records: Iterable[Record]) -> None:
        """Let the journal consist of these records."""
        write_atomically(self.path, b"".join(line_of(record) for record in records))

    def rewrite(self, keep: Callable[[Record], bool], add: Iterable[Record] = ()) -> None:
        """Drop the records that ``keep`` refuses and add others; untouched if nothing changes."""
        records = self.read()
        kept = [record for record in records if keep(record)]
        added = list(add)
        if added or len(kept) != len(records):
            self.write_anew(kept + added)

    def size(self) -> int:
        """Return how many bytes there are."""
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    def has(self, event: str) -> bool:
        """Tell whether there is a record of one kind."""
        return any(record["event"] == event for record in self.read())

    def _checked_line(self, record: Record) -> bytes:
        if not is_shaped(record, needed := required_fields(record)):
            wrong = ", ".join(misshapen(record, needed)) or "nested, large or odd values"
            raise UsageError(
                f"{record['event']} cannot be recorded in {self.path.name}: {wrong}; record plain "
                "numbers, text, lists and dicts of them"
            )
        return line_of(record)

    def _newline_if_torn(self) -> bytes:
        try:
            with self.path.open("rb") as file:
                if not file.seek(0, 2):
                    return b""
                file.seek(-1, 2)
                return b"" if file.read(1) == b"\n" else b"\n"
        except FileNotFoundError:
            return b""


def stamped(event: str, **fields: Any) -> Record:
    """Return a record of now."""
    return {"time": datetime.now().isoformat(), "event": event, **fields}


def concerns(record: Record, backbone: str | None) -> bool:
    """Tell whether a reset wipes a record: itself, and what is about its backbone, or about any."""
    if backbone is None or record["event"] in ("reset", "state_kept"):
        return True
    job = record.get("job")
    return isinstance(job, str) and JobName.parse(job).backbone == backbone
