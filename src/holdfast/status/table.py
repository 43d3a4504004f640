"""The results of all backbones as a table for the terminal."""

import statistics
from typing import TYPE_CHECKING

from holdfast.status.snapshot import COMPLETE, JobStatus, Status
from holdfast.status.text import CHANGED, marked

if TYPE_CHECKING:
    from rich.table import Table


def results_table(status: Status) -> "Table":
    """Return a row for each backbone; fits 80 columns without shortening a name."""
    from rich.table import Table  # not needed to write recovery_status.txt

    title = f"{status.completed} of {status.total_backbones} backbones complete"
    table = Table(title=title, box=None, pad_edge=False, collapse_padding=True, header_style="bold")
    if marked(status):
        table.caption, table.caption_justify = CHANGED, "left"
    table.add_column("Backbone", no_wrap=True)
    for heading in ("Accuracy", "F1", "Folds", "Time", "Interrupted"):
        table.add_column(heading, justify="right", no_wrap=True)
    folds_of: dict[str, list[JobStatus]] = {}
    for fold in [job for job in status.jobs if job.fold is not None]:
        folds_of.setdefault(fold.backbone, []).append(fold)
    for job in [job for job in status.jobs if job.fold is None]:
        folds = folds_of.get(job.backbone, [])
        mine = [job, *folds]
        interrupted = sum(j.interruptions for j in mine)
        seconds = sum(j.seconds for j in mine)
        table.add_row(
            job.backbone + ("*" if any(j.changed for j in mine) else ""),
            *_scores(job),
            fold_summary(folds),
            _hours(seconds),
            str(interrupted) if interrupted else "",
            style=None if job.state == COMPLETE else "dim",
        )
    return table


def fold_summary(folds: list[JobStatus]) -> str:
    """Return the accuracy over the completed folds, as mean ± standard deviation."""
    scores = [score for j in folds if (score := j.score("final_accuracy")) is not None]
    if not scores:
        return ""
    spread = f" ± {statistics.stdev(scores):.3f}" if len(scores) > 1 else ""
    missing = f" ({len(scores)}/{len(folds)})" if len(scores) < len(folds) else ""
    return f"{statistics.mean(scores):.3f}{spread}{missing}"


def _scores(job: JobStatus) -> tuple[str, str]:
    accuracy, f1 = job.score("final_accuracy"), job.score("f1")
    if accuracy is None:
        return (job.state, "")
    return f"{accuracy:.4f}", f"{f1:.4f}" if f1 is not None else ""


def _hours(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours < 100 else f"{hours} h"
