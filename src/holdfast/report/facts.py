"""What a report tells of: a run as its files give it, read once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.config import BACKBONES
from holdfast.errors import UsageError
from holdfast.rundir import RecoveryState, Result, last_start, load_state
from holdfast.status import (
    COMPLETE,
    JobStatus,
    Past,
    Status,
    no_run,
    read_past,
    read_status,
    time_left,
)

_MOST_CLASSES = 10_000
_MOST_JOBS = 200  # with figures: drawing them takes about a second each


@dataclass(frozen=True)
class Scores:
    """What a model says of the test images: probabilities (N, classes) and labels (N,)."""

    probabilities: NDArray[np.float64]
    labels: NDArray[np.int64]


@dataclass(frozen=True)
class Ensemble:
    """The soft vote of the completed backbones."""

    weights: Mapping[str, float]
    """By backbone, summing to 1; chosen on the validation images."""
    result: Result
    """Measured on the test images, as a job's result is."""
    scores: Scores | None = None

    @property
    def members(self) -> list[str]:
        """Those that have a say: a weight may be 0."""
        return [name for name, weight in self.weights.items() if weight > 0]


@dataclass(frozen=True)
class Facts:
    """All that a report is made of."""

    status: Status
    past: Past
    record: Mapping[str, Any]
    """What the run is: its settings, machine, images, as they are recorded."""
    run_id: str = ""
    command: Sequence[str] | None = None
    """What followed ``holdfast train`` at the last start."""
    seconds_left: float | None = None
    parameters: Mapping[str, int] = field(default_factory=dict)
    """How many each backbone has, of those that are known."""
    scores: Mapping[str, Scores] = field(default_factory=dict)
    """By job, where they were computed."""
    ensemble: Ensemble | None = None
    left_out: Sequence[str] = ()
    """What the report lacks, each with its reason."""

    @property
    def finished(self) -> bool:
        """Whether every job of the run is complete."""
        return all(job.state == COMPLETE for job in self.status.jobs)

    @property
    def open_folds(self) -> int:
        """How many folds are not complete."""
        return sum(job.fold is not None and job.state != COMPLETE for job in self.status.jobs)

    @property
    def only_folds_are_open(self) -> bool:
        """Whether every full split is complete, and some fold is not."""
        return not self.finished and self.status.completed == self.status.total_backbones

    def job(self, backbone: str, fold: int | None = None) -> JobStatus | None:
        """Return how one job stands."""
        found = (j for j in self.status.jobs if (j.backbone, j.fold) == (backbone, fold))
        return next(found, None)

    def folds(self, backbone: str) -> list[JobStatus]:
        """Return the folds of a backbone."""
        return [j for j in self.status.jobs if j.backbone == backbone and j.fold is not None]

    @property
    def shown(self) -> list[JobStatus]:
        """The jobs that the report shows one by one, the full splits first; of many, the first."""
        return self.status.jobs[:_MOST_JOBS]

    @property
    def backbones(self) -> list[str]:
        """Every backbone of the series, in the order of training."""
        return [job.backbone for job in self.status.jobs if job.fold is None]


def gather(directory: Path) -> Facts:
    """Read what a run's files say; takes no lock, writes nothing, needs no torch.

    Raises:
        UsageError: there is no run.
        RecoveryRefusedError: a newer Holdfast wrote it.
    """
    status = read_status(directory, BACKBONES)
    state = load_state(directory)
    if state is None and not status.recovery_available:
        raise UsageError(no_run(status.directory))
    known = state or RecoveryState()
    complete = {job.job: job.result for job in status.jobs if job.state == COMPLETE}
    past = read_past(directory, complete)
    started = last_start(directory)
    return Facts(
        status=status,
        past=past,
        record=known.run,
        run_id=known.run_id,
        command=started.command if started else None,
        seconds_left=time_left(status, past),
    )


def classes_of(facts: Facts, size: int) -> list[str]:
    """Return the names of ``size`` classes; where the run does not name as many, their numbers."""
    named = facts.status.classes
    return named if len(named) == size else [str(number) for number in range(size)]


def confusion_of(result: Result) -> NDArray[np.float64] | None:
    """Return a result's confusion matrix (classes, classes); None where it has none that is one.

    A loop of somebody's own may have recorded anything under that name.
    """
    rows = result.get("confusion_matrix")
    if not isinstance(rows, list) or not 1 < len(rows) <= _MOST_CLASSES:
        return None
    square = all(isinstance(row, list) and len(row) == len(rows) for row in rows)
    if not square or not all(type(v) in (int, float) and v >= 0 for row in rows for v in row):
        return None
    matrix = np.array(rows, dtype=np.float64)
    return matrix if np.isfinite(matrix).all() and matrix.sum() > 0 else None
