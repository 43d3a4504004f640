"""The three places where a run's state stands, read and judged: two JSON files and the journal."""

import errno
import json
import os
import zlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from holdfast.errors import RecoveryRefusedError, StorageError
from holdfast.rundir.journal import EPOCHS_CHECKED, SKIMMED, Journal, Parsed, Record
from holdfast.rundir.layout import JOURNAL, KFOLD_PROGRESS, RECOVERY_STATE
from holdfast.rundir.record import FORMAT_VERSION
from holdfast.rundir.shapes import FIELDS, MARK, is_count, is_shaped
from holdfast.storage import is_no_file, read_bytes

MISSING = "missing"
_ANOTHER_RUN = "is another run's"
_DAMAGED = "truncated, or not what was written"


@dataclass(frozen=True)
class Sources:
    """What can be believed of the three, and what is wrong with the others, by file name."""

    main: Record | None
    kfold: Record | None
    journal: list[Record]
    journal_after_damage: list[Record]
    news: list[Record]
    """What the two files have not heard of: they are written less often than the journal."""
    mark: int | None
    """What marks the journal's last line."""
    torn: bool
    """Whether a crash has torn the journal's last line."""
    faults: dict[str, str]


def read_sources(directory: Path, old: str = EPOCHS_CHECKED) -> Sources:
    """Read recovery state, fold progress and journal; see `Journal.parse` for ``old``.

    Whatever carries another run's id than most of the three is not believed.

    Raises:
        RecoveryRefusedError: a newer Holdfast wrote one of them.
    """
    files = {name: _read_file(directory / name) for name in FIELDS}
    marks = [record.get(MARK) if record else None for record in files.values()]
    # read last: a writer beside us appends to it first
    journal = Journal(directory).parse([m if is_count(m) else None for m in marks], old)
    records, news = journal.records, journal.news
    after_damage = journal.records_after_damage if journal.known is None else news
    faults = _faults(directory, files, journal)
    ids = {name: record["run_id"] for name, record in files.items() if record}
    for name in _strangers({**ids, JOURNAL: _run_id(records)}):
        faults[name] = _ANOTHER_RUN
        if name == JOURNAL:
            records, after_damage, news = [], [], []
        else:
            files[name] = None
    main, kfold = files[RECOVERY_STATE], files[KFOLD_PROGRESS]
    if old == SKIMMED and (main is None or kfold is None):
        return read_sources(directory)  # the journal is needed whole
    return Sources(main, kfold, records, after_damage, news, journal.mark, journal.torn, faults)


def _faults(directory: Path, files: dict[str, Record | None], journal: Parsed) -> dict[str, str]:
    """Say what is wrong with each file by itself; what a crash leaves is no fault."""
    there = {name: os.path.lexists(directory / name) for name in (*files, JOURNAL)}
    faults = {name: _DAMAGED for name, record in files.items() if record is None and there[name]}
    if journal.fault:
        faults[JOURNAL] = journal.fault
    if len(journal.lines) > 1:  # the second is only written when both files have been
        faults |= {name: MISSING for name in files if not there[name]}
    if not there[JOURNAL] and any(files.values()):  # it is written before the files
        faults[JOURNAL] = MISSING
    return faults | {name: "is no file" for name in there if is_no_file(directory / name)}


def _run_id(journal: list[Record]) -> str:
    """Return the run id that a journal names last, empty where it names none."""
    ids = (r["main"] if r["event"] == "state_kept" else r for r in reversed(journal))
    return next((str(r["run_id"]) for r in ids if "run_id" in r), "")


def _strangers(ids: dict[str, str]) -> list[str]:
    known = Counter(run_id for run_id in ids.values() if run_id)
    ours = known.most_common(1)[0][0] if known else ""
    return [name for name, run_id in ids.items() if run_id not in ("", ours)]


def _read_file(path: Path) -> Record | None:
    try:
        record = None if is_no_file(path) else json.loads(read_bytes(path) or b"")
        if not isinstance(record, dict) or record.get("crc32") != facts_crc(record):
            return None
    except (ValueError, RecursionError):
        return None
    except StorageError as error:
        if error.errno != errno.EIO:
            raise
        return None  # a bad sector is no better; if it is the whole disk, the journal says so
    version = record.get("format_version")
    if is_count(version) and version > FORMAT_VERSION:
        raise RecoveryRefusedError(
            f"{path}: written by a newer Holdfast (format {version}, this one reads up to "
            f"{FORMAT_VERSION}); upgrade with pip install -U holdfast"
        )
    return record if is_shaped(record, FIELDS[path.name]) else None


def facts_crc(record: Record) -> int:
    """Return the checksum of all that a file says of the run; the time of writing is not that."""
    facts = {key: value for key, value in record.items() if key not in ("timestamp", "crc32")}
    return zlib.crc32(json.dumps(facts).encode())
