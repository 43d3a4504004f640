"""Each row of the crash table in docs/durability.md, by a crash at that very point."""

import random
import re
from pathlib import Path

import pytest

from tests.crash.every_effect import copied_crash
from tests.crash.recording import Undisturbed

DOCUMENT = Path(__file__).parents[2] / "docs" / "durability.md"
TABLE = DOCUMENT.read_text(encoding="utf-8").partition("| before |")[2].partition("\n\n")[0]
ROWS = re.findall(r"^\| (?!---)([^|]+?) \|", TABLE, re.M)
WORDS = {
    "sync_directory after sync_directory after rename of .lock.holder.json": (
        "directory sync at a start"
    ),
    "sync_directory": "directory sync",
    ".lock.holder.json": "the lock's holder",
    ".kfold_progress.json": "a state file",
    ".recovery_state.json": "a state file",
    "recovery_status.txt": "the status text",
    "journal.jsonl": "the journal",
    "a full split's checkpoint": "a checkpoint",
    "a fold's checkpoint": "a checkpoint",
    ", inside an epoch": "",
    "mkdir of run": "mkdir of the run",
}


def row_of(kind: str) -> str:
    """Return the row that speaks of a kind of moment."""
    for ours, theirs in WORDS.items():
        kind = kind.replace(ours, theirs)
    return kind


def test_every_point_of_the_write_path_has_its_row(calm: Undisturbed) -> None:
    """No effect of a run goes without a row, and no row speaks of what never happens."""
    assert len(ROWS) == len(set(ROWS))
    assert set(ROWS) == {row_of(kind) for kind in calm.kinds}


@pytest.mark.parametrize("row", ROWS)
def test_crash(row: str, calm: Undisturbed, chance: random.Random) -> None:
    """A crash there costs nothing: the next start ends with the undisturbed run's bits."""
    for kind in {kind for kind in calm.kinds if row_of(kind) == row}:
        number = chance.choice([n for n, other in enumerate(calm.kinds) if other == kind])
        outcome = copied_crash(number, calm)
        assert outcome.good, outcome
