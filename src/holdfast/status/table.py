"""The results of all backbones as a table for the terminal."""

from typing import TYPE_CHECKING

from holdfast.status.rows import rows_of, score
from holdfast.status.snapshot import COMPLETE, Status
from holdfast.status.text import CHANGED, marked

if TYPE_CHECKING:
    from rich.table import Table


def results_table(status: Status) -> "Table":
    """Return a row for each backbone; fits 80 columns without shortening a name."""
    table = plain_table(
        status, f"{status.completed} of {status.total_backbones} backbones complete"
    )
    table.add_column("Backbone", no_wrap=True)
    for heading in ("Accuracy", "F1", "Folds", "Time", "Interrupted"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows_of(status):
        final, f1 = row.job.score("final_accuracy"), row.job.score("f1")
        table.add_row(
            row.name,
            row.job.state if final is None else score(final),
            "" if final is None else score(f1),
            row.fold_scores,
            row.time,
            row.interruptions,
            style=None if row.job.state == COMPLETE else "dim",
        )
    return table


def plain_table(status: Status, title: str | None = None) -> "Table":
    """Return a table without lines and columns, with the note that belongs to a *."""
    from rich.table import Table  # not needed to write recovery_status.txt

    table = Table(title=title, box=None, pad_edge=False, collapse_padding=True, header_style="bold")
    if marked(status):
        table.caption, table.caption_justify = CHANGED, "left"
    return table
