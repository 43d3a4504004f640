"""Rung 8: JSON of a real run that is torn or hostile, each before a real start."""

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

from holdfast.rundir import JOURNAL
from holdfast.status import read_status, verify
from tests.crash.corruption import Corruption
from tests.crash.injure import replace
from tests.crash.outcome import CLEAR_REFUSAL, FORGED, OTHER_BITS, SAME_BITS, Outcome
from tests.crash.storm import Fault, judge_words
from tests.crash.torn_run import FINISHED, NEARLY, TornRun
from tests.rundir.hostile_json import FILES, hostile_files, hostile_journals

_REFUSED = 3
_ENDS = {0, _REFUSED}
"""Rebuilt, or refused; what a sum that agrees makes believable may well be another run."""


def injuries(chance: random.Random, where: Path, run: TornRun) -> Iterator[Outcome]:
    """Put one hostile version after the other under a start, for as long as somebody asks."""
    while True:
        state, name = chance.choice((FINISHED, NEARLY)), chance.choice((*FILES, JOURNAL))
        versions = list(hostile_versions(run.home / state, name))
        for kind, data in chance.sample(versions, 3):
            yield withstand(run, where, state, name, kind, data)


def hostile_versions(directory: Path, name: str) -> Iterator[tuple[str, bytes]]:
    """Yield the hostile versions of a file, with what each is."""
    if name == JOURNAL:
        return hostile_journals(directory)
    return hostile_files(directory, name)


def withstand(run: TornRun, where: Path, state: str, name: str, kind: str, data: bytes) -> Outcome:
    """Put it into a copy; ask `status` and `verify`, start, and see that nothing breaks."""
    directory = run.copy(state, where / "run")
    try:
        replace(directory / name, data)
        fault = _ask(directory)
        child = run.tiny.start(directory)
        fault = fault or judge_words(child, _ENDS) or _ask(directory)
        if [path.name for path in where.iterdir()] != ["run"]:
            fault = ("other bits", "something outside the directory was touched")
        verdict, evidence = fault or _end(Corruption(run, directory, name, state), child.wait())
        return Outcome("8", f"hostile {name}", f"{state} run, {kind}", verdict, evidence)
    finally:
        shutil.rmtree(directory)


def _end(sweep: Corruption, status: int) -> Fault:
    """Tell a rebuild from a refusal, and both from a run in which what was forged still stands."""
    if status == _REFUSED:
        return CLEAR_REFUSAL, ""
    verdict, evidence = sweep.compare() or (SAME_BITS, "")
    return (FORGED if verdict == OTHER_BITS else verdict), evidence


def _ask(directory: Path) -> Fault | None:
    try:
        verify(directory)
        read_status(directory)
    except Exception as error:  # noqa: BLE001 - a traceback is what this looks for
        return "traceback", f"{type(error).__name__}: {error}"
    return None
