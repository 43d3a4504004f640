"""The rows of every table of a run: one for each backbone, with its folds."""

import statistics
from dataclasses import dataclass, field

from holdfast.status.snapshot import COMPLETE, STARTED, JobStatus, Status
from holdfast.status.text import clock

_LONG = 360_000  # seconds: a hundred hours


@dataclass(frozen=True)
class Row:
    """One job with what belongs to it, as text."""

    job: JobStatus
    folds: list[JobStatus] = field(default_factory=list)
    """The folds of a backbone; a fold has none."""

    @property
    def name(self) -> str:
        """The backbone, or, below it, the fold; * where training was changed under way."""
        name = self.job.backbone if self.job.fold is None else f"  fold {self.job.fold}"
        return name + ("*" if any(job.changed for job in self.all) else "")

    @property
    def all(self) -> list[JobStatus]:
        """The job and its folds."""
        return [self.job, *self.folds]

    @property
    def standing(self) -> str:
        """Where the job stands, in a word or two: complete, finetune 3/7, pending, failed."""
        if self.job.state != STARTED:
            return self.job.state
        of = f"/{self.job.epochs}" if self.job.epochs else ""
        return f"{self.job.stage} {self.job.epoch}{of}"

    @property
    def accuracy(self) -> str:
        """The result's, or, of a job in training, its last epoch's."""
        return score(self.job.accuracy)

    @property
    def folds_done(self) -> str:
        """How many folds are complete, such as 2/5."""
        done = sum(fold.state == COMPLETE for fold in self.folds)
        return f"{done}/{len(self.folds)}" if self.folds else ""

    @property
    def fold_scores(self) -> str:
        """The accuracy over the completed folds, as mean ± standard deviation."""
        scores = [s for j in self.folds if (s := j.score("final_accuracy")) is not None]
        if not scores:
            return ""
        spread = f" ± {statistics.stdev(scores):.3f}" if len(scores) > 1 else ""
        missing = f" ({len(scores)}/{len(self.folds)})" if len(scores) < len(self.folds) else ""
        return f"{statistics.mean(scores):.3f}{spread}{missing}"

    @property
    def time(self) -> str:
        """How long all of it was trained, as far as it is complete."""
        seconds = sum(job.seconds for job in self.all)
        return clock(seconds) if seconds < _LONG else f"{seconds // 3600:.0f} h"

    @property
    def interruptions(self) -> str:
        """How many interruptions all of it has survived."""
        count = sum(job.interruptions for job in self.all)
        return str(count) if count else ""


def rows_of(status: Status) -> list[Row]:
    """Return a row for each backbone, with its folds."""
    folds: dict[str, list[JobStatus]] = {}
    for job in status.jobs:
        if job.fold is not None:
            folds.setdefault(job.backbone, []).append(job)
    full = [job for job in status.jobs if job.fold is None]
    return [Row(job, folds.get(job.backbone, [])) for job in full]


def score(value: float | None) -> str:
    """Return an accuracy or an F1 with four decimals; nothing where there is none."""
    return "" if value is None else f"{value:.4f}"
