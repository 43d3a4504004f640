"""The results of all backbones as a table for the terminal."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from holdfast.status.rows import Row, rows_of, score
from holdfast.status.snapshot import COMPLETE, Status
from holdfast.status.text import CHANGED, marked

if TYPE_CHECKING:
    from rich.table import Table


_DROPPED_FIRST = ("Time", "F1", "Interrupted", "Folds")  # where the terminal is narrow


def results_table(status: Status, columns: int = 80) -> "Table":
    """Return a row for each backbone; in 80 columns no name is shortened and nothing left out."""
    table = plain_table(
        status, f"{status.completed} of {status.total_backbones} backbones complete"
    )
    rows = rows_of(status)
    cells = {
        "Backbone": [row.name for row in rows],
        "Accuracy": [_final(row) or row.job.state for row in rows],
        "F1": [score(row.job.score("f1")) if _final(row) else "" for row in rows],
        "Folds": [row.fold_scores for row in rows],
        "Time": [row.time for row in rows],
        "Interrupted": [row.interruptions for row in rows],
    }
    cells = fitted(cells, _DROPPED_FIRST, columns, gap=1)
    for heading in cells:
        left = heading == "Backbone"
        table.add_column(heading, justify="left" if left else "right", no_wrap=True)
    for number, row in enumerate(rows):
        style = None if row.job.state == COMPLETE else "dim"
        table.add_row(*(texts[number] for texts in cells.values()), style=style)
    return table


def _final(row: Row) -> str:
    return score(row.job.score("final_accuracy"))


def fitted(
    cells: dict[str, list[str]], dropped_first: Sequence[str], columns: int, gap: int
) -> dict[str, list[str]]:
    """Return what fits of a table's columns, by heading; some go before others."""
    left = dict(cells)
    for heading in dropped_first:
        widths = [max(len(title), *map(len, texts), 0) for title, texts in left.items()]
        if sum(widths) + gap * (len(widths) - 1) <= columns:
            break
        left.pop(heading, None)
    return left


def plain_table(status: Status, title: str | None = None) -> "Table":
    """Return a table without lines and columns, with the note that belongs to a *."""
    from rich.table import Table  # not needed to write recovery_status.txt

    table = Table(title=title, box=None, pad_edge=False, collapse_padding=True, header_style="bold")
    if marked(status):
        table.caption, table.caption_justify = CHANGED, "left"
    return table
