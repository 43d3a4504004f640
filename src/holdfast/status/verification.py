"""Whether a run's files are what was written, and what a start would go on from."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from holdfast.rundir import (
    SKIMMED,
    FileReport,
    RecoveryState,
    read_sources,
    state_of,
    survey,
)
from holdfast.rundir.survey import LEFTOVER
from holdfast.status.snapshot import COMPLETE, STARTED, Status, summarise
from holdfast.storage.objects import shown

_COLUMNS = 80


@dataclass(frozen=True)
class Verification:
    """Every file of a run, read and judged, and how the run stands without the damaged ones."""

    directory: str
    files: list[FileReport]
    status: Status
    """As a start would find it."""
    remade: list[str]
    """Completed jobs whose weights are damaged or lost; a start makes them again."""

    @property
    def damaged(self) -> list[FileReport]:
        """The files with a fault."""
        return [report for report in self.files if report.fault]

    def to_json(self) -> dict[str, Any]:
        """Return the same as plain dicts and lists."""
        started = [job for job in self.status.jobs if job.state == STARTED]
        return {
            "directory": self.directory,
            "good": not self.damaged,
            "files": [asdict(report) for report in self.files],
            "start": {
                "complete": [job.job for job in self.status.jobs if job.state == COMPLETE],
                "resume": [
                    {"job": j.job, "stage": j.stage, "epoch": j.epoch, "step": j.step}
                    for j in started
                ],
                "remake": self.remade,
            },
        }


def verify(
    directory: Path,
    default_backbones: list[str] | None = None,
    asked: Mapping[str, int] | None = None,
) -> Verification:
    """Read and verify every file of a run; takes no lock, changes nothing, needs no torch.

    ``asked`` are the backbones of a start that is to be made, with their folds: those that the run
    lacks count as its own.

    Raises:
        RecoveryRefusedError: a newer Holdfast wrote the recovery state.
        StorageError: a file may be good, but this process may not open it.
    """
    files = survey(directory)
    bad = {report.name for report in files if report.fault}
    found = read_sources(directory, SKIMMED)
    state = state_of(directory, found)
    status = summarise(
        directory,
        _extended(state, asked) if state and asked else state,
        found.told,
        default_backbones or [],
        is_good=lambda path: path.name not in bad,
    )
    complete = [job.job for job in status.jobs if job.state == COMPLETE]
    remade = [job for job in complete if f"{job}_best.pth" in bad]
    return Verification(shown(directory), files, status, remade)


def _extended(state: RecoveryState, asked: Mapping[str, int]) -> RecoveryState:
    folds = {name: count for name, count in asked.items() if count}
    backbones = [*dict.fromkeys([*state.backbones, *asked])]
    return replace(state, backbones=backbones, folds={**state.folds, **folds})


def verification_lines(found: Verification) -> list[str]:
    """Say what is damaged, each with its reason, and how many files are good."""
    checked = [report for report in found.files if report.kind != LEFTOVER]
    if not checked:
        return [f"{found.directory}: no run is here yet"]
    lines = [line for report in found.damaged for line in _fault_lines(report)]
    good = f"{len(checked) - len(found.damaged)} of {len(checked)} files are good"
    if found.damaged:
        lines += [f"✗ Only {good}; a start, or --repair, sets aside what is damaged"]
    else:
        lines += [f"✓ Verified: {good}"]
    begun = {job.job for job in found.status.jobs if job.stage}
    anew = {True: "makes its weights again", False: "trains it again from the beginning"}
    return lines + [f"  {job}: a start {anew[job in begun]}" for job in found.remade]


def _fault_lines(report: FileReport) -> list[str]:
    """Name a file and its fault, in two lines where one would be too long for a terminal."""
    line = f"✗ {report.name}: {report.fault}"
    return [line] if len(line) <= _COLUMNS else [f"✗ {report.name}:", f"    {report.fault}"]
