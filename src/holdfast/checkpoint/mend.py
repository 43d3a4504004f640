"""How a start mends damaged state files: they are set aside, the journal is written anew."""

import os
from collections import Counter
from pathlib import Path

from holdfast.rundir import (
    JOURNAL,
    Journal,
    Sources,
    kept,
    peek,
    pth_reports,
    set_aside,
    set_aside_copy,
    state_of,
)


def mend_journal(directory: Path, found: Sources, faults: dict[str, str]) -> bool:
    """Set what is damaged aside, and write a damaged or torn journal anew.

    Returns whether there is a run, whose missing state files can be written anew as well.
    """
    state = state_of(directory, found)
    for name, reason in faults.items():
        _set_aside(directory, name, reason, begun=state is not None)
    if state is None:
        return False
    if JOURNAL in faults or found.torn:
        journal = Journal(directory)
        ours = journal.read() if found.journal else []  # or it is another run's
        journal.write_anew([*ours, kept(state)] if JOURNAL in faults else ours)
    return True


def run_id_of_checkpoints(directory: Path) -> str:
    """Return the run id that most of the good checkpoints carry; empty where there are none."""
    good = [report for report in pth_reports(directory, "") if not report.fault]
    ids = Counter(peek(directory / report.name)["run_id"] for report in good)
    return ids.most_common(1)[0][0] if ids else ""


def _set_aside(directory: Path, name: str, reason: str, *, begun: bool) -> None:
    """Move a state file away; of a journal that is to be mended in its place, put a copy."""
    path = directory / name
    if name == JOURNAL and begun and path.is_file():
        set_aside_copy(directory, path, reason)
    elif os.path.lexists(path):
        set_aside(directory, path, reason)
