"""The three places where a run's state stands, read and judged: two JSON files and the journal."""

import json
import zlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from holdfast.errors import RecoveryRefusedError
from holdfast.rundir.journal import Journal, Record
from holdfast.rundir.layout import JOURNAL, KFOLD_PROGRESS, RECOVERY_STATE
from holdfast.rundir.record import FORMAT_VERSION
from holdfast.rundir.shapes import is_shaped
from holdfast.storage import storage_errors

MAIN_FIELDS = (
    *("completed_backbones", "current_backbone", "current_stage", "current_epoch", "results"),
    *("format_version", "backbones", "failed", "run", "run_id", "current_fold", "timestamp"),
)
_FIELDS = {
    RECOVERY_STATE: MAIN_FIELDS,
    KFOLD_PROGRESS: ("format_version", "folds", "completed", "timestamp", "run_id"),
}
_ANOTHER_RUN = "is another run's"


@dataclass(frozen=True)
class Sources:
    """What can be believed of the three, and what is wrong with the others, by file name."""

    main: Record | None
    kfold: Record | None
    journal: list[Record]
    journal_after_damage: list[Record]
    torn: bool
    """Whether a crash has torn the journal's last line."""
    faults: dict[str, str]


def read_sources(directory: Path) -> Sources:
    """Read recovery state, fold progress and journal.

    Whatever carries another run's id than most of the three is not believed.

    Raises:
        RecoveryRefusedError: a newer Holdfast wrote one of them.
    """
    journal = Journal(directory).parse()
    records, after_damage = journal.records, journal.records_after_damage
    files = {name: _read_file(directory / name) for name in (RECOVERY_STATE, KFOLD_PROGRESS)}
    faults = {
        name: "truncated, or not what was written"
        for name, record in files.items()
        if record is None and (directory / name).exists()
    }
    if journal.fault:
        faults[JOURNAL] = journal.fault
    ids = {name: record["run_id"] for name, record in files.items() if record}
    ids[JOURNAL] = next((r["run_id"] for r in reversed(records) if "run_id" in r), "")
    for name in _strangers(ids):
        faults[name] = _ANOTHER_RUN
        if name == JOURNAL:
            records, after_damage = [], []
        else:
            files[name] = None
    main, kfold = files[RECOVERY_STATE], files[KFOLD_PROGRESS]
    return Sources(main, kfold, records, after_damage, journal.torn, faults)


def _strangers(ids: dict[str, str]) -> list[str]:
    known = Counter(run_id for run_id in ids.values() if run_id)
    ours = known.most_common(1)[0][0] if known else ""
    return [name for name, run_id in ids.items() if run_id not in ("", ours)]


def _read_file(path: Path) -> Record | None:
    try:
        with storage_errors(path):
            record = json.loads(path.read_bytes()) if path.exists() else None
        if not isinstance(record, dict) or record.get("crc32") != facts_crc(record):
            return None
    except (ValueError, RecursionError):
        return None
    version = record.get("format_version")
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise RecoveryRefusedError(
            f"{path}: written by a newer Holdfast (format {version}, this one reads up to "
            f"{FORMAT_VERSION}); upgrade with pip install -U holdfast"
        )
    return record if is_shaped(record, _FIELDS[path.name]) else None


def facts_crc(record: Record) -> int:
    """Return the checksum of all that a file says of the run; the time of writing is not that."""
    facts = {key: value for key, value in record.items() if key not in ("timestamp", "crc32")}
    return zlib.crc32(json.dumps(facts).encode())
