"""What the next start makes of a crash: the undisturbed run's end, and nothing begun anew."""

import os
import traceback
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from holdfast.errors import HoldfastError
from holdfast.rundir import (
    JobName,
    Position,
    fault,
    list_all_checkpoints,
    list_results,
    load_state,
)
from tests.crash import library_run, outcome
from tests.crash.recording import RUN, Promise, Undisturbed
from tests.crash.sameness import same, what_stays
from tests.crash.simulated import Files, write_files

Rank = tuple[float, ...]
COMPLETE: Rank = (float("inf"),)


def recover(files: Files, promises: Sequence[Promise], calm: Undisturbed) -> tuple[str, str]:
    """Start the tiny run again where ``files`` stand; return the verdict, and what went wrong."""
    with TemporaryDirectory(dir=calm.where) as name:
        write_files(Path(name), of_a_dead_process(files))
        directory = Path(name) / RUN
        try:
            standing = stands(directory, promises)
            entered = library_run.train(directory)
        except HoldfastError as error:
            return outcome.CLEAR_REFUSAL, str(error)
        except Exception:  # noqa: BLE001 - a finding, to be told
            return outcome.TRACEBACK, traceback.format_exc()
        for job, position in entered:
            if rank(position) < standing.get(job, ()):
                told = f"{job} was taken up at {position}, and {standing[job]} stood"
                return outcome.NEEDLESS_RESTART, told
        return ends_alike(directory, calm.end)


def of_a_dead_process(files: Files) -> Files:
    """Return ``files`` with temporary names as another process chose them: it had another id."""
    mine, dead = f".{os.getpid()}.tmp", f".{2**22 + 1}.tmp"  # above any id that Linux gives
    return {path.with_name(path.name.replace(mine, dead)): data for path, data in files.items()}


def ends_alike(directory: Path, calm: dict[str, Any]) -> tuple[str, str]:
    """Compare the end of a run with that of the undisturbed one."""
    try:
        same(calm, what_stays(directory))
    except AssertionError as difference:
        return outcome.OTHER_BITS, str(difference)
    return outcome.SAME_BITS, ""


def stands(directory: Path, promises: Sequence[Promise]) -> dict[JobName, Rank]:
    """Return how far each job had come, by what was promised and by what is found."""
    found = [(p.job, rank(p.position) if p.position else COMPLETE) for p in promises]
    files = [file for file in list_all_checkpoints(directory) if fault(file.path) is None]
    found += [(file.job, rank(file.position)) for file in files]
    found += [(job, COMPLETE) for job, path in list_results(directory) if fault(path) is None]
    state = load_state(directory)
    found += [(job, COMPLETE) for job in state.results] if state else []
    return {job: max(r for j, r in found if j == job) for job, _ in found}


def rank(position: Position | None) -> Rank:
    """Return what compares as the positions of a job follow each other; None is the start."""
    if position is None:
        return ()
    return list(library_run.STAGES).index(position.stage), position.epoch, position.step
