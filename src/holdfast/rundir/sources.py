"""The three places where a run's state stands, read and judged: two JSON files and the journal."""

import errno
import json
import os
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from holdfast.errors import RecoveryRefusedError, StorageError
from holdfast.rundir.journal import EPOCHS_CHECKED, SKIMMED, Journal, Parsed
from holdfast.rundir.layout import JOURNAL, KFOLD_PROGRESS, RECOVERY_STATE
from holdfast.rundir.lines import Record, Vouched
from holdfast.rundir.record import FORMAT_VERSION
from holdfast.rundir.shapes import (
    FIELDS,
    INTERRUPTIONS,
    MARK,
    SECONDS,
    SIZE,
    WHOLE_CRC,
    is_count,
    is_number,
    is_shaped,
)
from holdfast.rundir.spread import agrees, skimmed
from holdfast.rundir.told import Told
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
    told: Told
    """What the whole journal tells of each job."""
    mark: int | None
    """What marks the journal's last line."""
    size: int | None
    """The journal's size up to there."""
    crc: int | None
    """The checksum of all of it, where every line is good."""
    torn: bool
    """Whether a crash has torn the journal's last line."""
    faults: dict[str, str]


def read_sources(
    directory: Path, old: str = EPOCHS_CHECKED, keep: Collection[str] | None = None
) -> Sources:
    """Read recovery state, fold progress and journal; see `Journal.parse` for ``old``.

    Whatever carries another run's id than most of the three is not believed. ``SKIMMED``, the
    journal is only what follows the line that both files know, where they say where that ends.
    Of the folds' results no more may be read than the keys ``keep``.

    Raises:
        RecoveryRefusedError: a newer Holdfast wrote one of them.
    """
    files = {name: _read_file(directory / name, keep) for name in FIELDS}
    # read last: a writer beside us appends to it first
    journal = _read_end(directory, files) if old == SKIMMED else None
    told = Told.kept(files[KFOLD_PROGRESS] or {}) if journal else Told()
    if journal is None:
        marks = [record.get(MARK) if record else None for record in files.values()]
        known = [mark if is_count(mark) else None for mark in marks]
        journal = Journal(directory).parse(known, old, _vouched(files[KFOLD_PROGRESS] or {}))
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
    return Sources(
        *(main, kfold, records, after_damage, news, told.add(records)),
        *(journal.mark, journal.size, journal.crc, journal.torn, faults),
    )


def _read_end(directory: Path, files: dict[str, Record | None]) -> Parsed | None:
    """Read what follows the line that both files know; None where the rest is needed too.

    A line that is older than the files may be a copy of one before.
    """
    main, kfold = files[RECOVERY_STATE] or {}, files[KFOLD_PROGRESS] or {}
    mark, size = main.get(MARK), kfold.get(SIZE)
    if not is_count(mark) or not is_count(size) or kfold.get(MARK) != mark or not _tells(kfold):
        return None
    end = Journal(directory).after(mark, size)
    written = max(main["timestamp"], kfold["timestamp"])
    return end if end and all(record["time"] > written for record in end.records) else None


def _vouched(kfold: Record) -> Vouched:
    size, crc = kfold.get(SIZE), kfold.get(WHOLE_CRC)
    return (size, crc) if is_count(size) and is_count(crc) else None


def _tells(kfold: Record) -> bool:
    """Tell whether the file of the folds keeps, of a sensible kind, what the journal has told."""
    interruptions, seconds = kfold.get(INTERRUPTIONS), kfold.get(SECONDS)
    return (
        isinstance(interruptions, dict)
        and isinstance(seconds, dict)
        and all(map(is_count, interruptions.values()))
        and all(map(is_number, seconds.values()))
    )


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


def _read_file(path: Path, keep: Collection[str] | None) -> Record | None:
    try:
        data = b"" if is_no_file(path) else read_bytes(path) or b""
        short = skimmed(data, keep) if keep is not None and path.name == KFOLD_PROGRESS else None
        record = short or json.loads(data)
        if not isinstance(record, dict) or not (short or agrees(record, data)):
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
