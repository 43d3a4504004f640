"""The comparison of all backbones: a row for each, and one for their ensemble."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from holdfast.report.facts import Facts, confusion_of
from holdfast.report.figures import Entry
from holdfast.status import COMPLETE, JobStatus

ENSEMBLE = "Ensemble (soft vote)"
TIME = "Time (without folds)"
"""Heads the column of `Row.seconds`: the tables of ``holdfast status`` count the folds as well."""


@dataclass(frozen=True)
class Row:
    """What is compared; None is what is not known."""

    name: str
    state: str
    accuracy: float | None = None
    interval: tuple[float, float] | None = None
    """Wilson's 95 % interval of the accuracy, where the number of test images is known."""
    precision: float | None = None
    recall: float | None = None
    f1: float | None = None
    roc_auc: float | None = None
    loss: float | None = None
    fold_scores: tuple[float, ...] = ()
    """Accuracy of each completed fold."""
    folds: int = 0
    """How many there are to be."""
    seconds: float | None = None
    """In training, of the full split."""
    parameters: int | None = None
    interruptions: int = 0
    """Of the full split and the folds."""
    changed: bool = False
    """Whether settings or data changed in training, of any of its jobs."""
    is_ensemble: bool = False

    @property
    def fold_mean(self) -> float | None:
        """Mean accuracy of the completed folds."""
        return statistics.mean(self.fold_scores) if self.fold_scores else None

    @property
    def fold_deviation(self) -> float | None:
        """Standard deviation of the same, with n - 1; None for fewer than two."""
        return statistics.stdev(self.fold_scores) if len(self.fold_scores) > 1 else None


def compare(facts: Facts) -> list[Row]:
    """Return a row for each backbone in the order of training, then the ensemble's."""
    rows = [_row(facts, name) for name in facts.backbones]
    return [*rows, _ensemble_row(facts)] if facts.ensemble else rows


def best(rows: Sequence[Row]) -> list[Row]:
    """Return the single backbones with the highest test accuracy: one, or all that are equal."""
    single = [row for row in rows if row.accuracy is not None and not row.is_ensemble]
    highest = max((row.accuracy or 0.0 for row in single), default=None)
    return [row for row in single if row.accuracy == highest]


def entries(rows: Sequence[Row]) -> list[Entry]:
    """Return the rows as the figures take them."""
    return [
        Entry(
            name=row.name,
            accuracy=row.accuracy,
            interval=row.interval,
            folds=row.fold_scores,
            seconds=row.seconds,
            parameters=row.parameters,
            is_ensemble=row.is_ensemble,
        )
        for row in rows
    ]


def wilson(accuracy: float, images: float) -> tuple[float, float]:
    """Return the 95 % interval of a share of ``images``, from 0 to 1 (Wilson, JASA 1927)."""
    z = statistics.NormalDist().inv_cdf(0.975)
    middle = (accuracy + z * z / (2 * images)) / (1 + z * z / images)
    half = z / (1 + z * z / images)
    half *= math.sqrt(accuracy * (1 - accuracy) / images + z * z / (4 * images * images))
    return max(middle - half, 0.0), min(middle + half, 1.0)


def score(job: JobStatus, *names: str) -> float | None:
    """Return the first of these that a job's result has as a finite number."""
    for name in names:
        value = job.score(name)
        if value is not None and not isinstance(value, bool) and math.isfinite(value):
            return float(value)
    return None


def _row(facts: Facts, name: str) -> Row:
    job, folds = facts.job(name), facts.folds(name)
    assert job is not None  # the name is its
    found = [score(fold, "final_accuracy", "accuracy") for fold in folds if _is_done(fold)]
    mine = [job, *folds]
    return Row(
        name=name,
        state=job.state,
        folds=len(folds),
        fold_scores=tuple(value for value in found if value is not None),
        seconds=job.seconds or None,
        parameters=facts.parameters.get(name),
        interruptions=sum(one.interruptions for one in mine),
        changed=any(one.changed for one in mine),
        **_measured(job),
    )


def _is_done(job: JobStatus) -> bool:
    return job.state == COMPLETE


def _measured(job: JobStatus) -> dict[str, Any]:
    accuracy, matrix = score(job, "final_accuracy", "accuracy"), confusion_of(job.result)
    interval = None
    if accuracy is not None and 0 <= accuracy <= 1 and matrix is not None:
        interval = wilson(accuracy, float(matrix.sum()))
    return {
        "accuracy": accuracy,
        "interval": interval,
        "loss": score(job, "final_loss", "loss"),
        **{name: score(job, name) for name in ("precision", "recall", "f1", "roc_auc")},
    }


def _ensemble_row(facts: Facts) -> Row:
    assert facts.ensemble is not None
    result = facts.ensemble.result
    job = JobStatus(job="", backbone="", fold=None, state=COMPLETE, result=result)
    counted = [facts.parameters.get(name) for name in facts.ensemble.members]
    return Row(
        name=ENSEMBLE,
        state=COMPLETE,
        parameters=sum(c for c in counted if c) if all(counted) else None,
        is_ensemble=True,
        **_measured(job),
    )
