"""A run as it goes on: a view that fits its terminal, whatever size that has."""

import textwrap
from collections import Counter
from typing import TYPE_CHECKING

from holdfast.status.rows import Row, rows_of
from holdfast.status.snapshot import COMPLETE, FAILED, PENDING, STARTED, JobStatus, Status
from holdfast.status.table import fitted, plain_table
from holdfast.status.text import (
    CHANGED,
    MARKS,
    counted,
    duration,
    marked,
    printable_text,
    saving_line,
)

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

_STYLES = {COMPLETE: "", STARTED: "bold", FAILED: "red", PENDING: "dim"}
_WORDS = {STARTED: "in training", FAILED: "failed", COMPLETE: "complete", PENDING: "pending"}
_GAP = 2
_AROUND = 3  # lines: the headings, and a gap above and below the table
_FEWEST = 4  # rows, before the head is cut short
_DROPPED_FIRST = ("Time", "Resumed", "Folds", "Accuracy")  # where the terminal is narrow
_LONGEST_ERROR = 160
_NAMED = 2  # failed jobs whose errors are quoted


def live_view(status: Status, note: str, columns: int, lines: int | None = None) -> "Group":
    """Return head, table and ``note``, for so many columns; in so many lines, or all of it.

    Where the lines do not suffice, folds become counts; then only what is in training or failed
    is sure of its row, and the others are counted below.
    """
    from rich.console import Group

    head = _wrapped([*head_lines(status), *_failures(status)], columns)
    foot = _wrapped([CHANGED] * marked(status) + [note] * bool(note), columns)
    room = None
    if lines is not None:
        foot = foot[: max(lines // 8, 1)]
        head = head[: max(lines - len(foot) - _AROUND - _FEWEST, 1)]
        room = max(lines - len(head) - len(foot) - _AROUND, 1)
    shown, hidden = fitting(rows_of(status), room)
    table = _table(status, shown, columns)
    more = [_count(hidden)] if hidden else []
    gap = [""] if foot else []
    return Group(*map(_line, [*head, ""]), table, *(_line(t, "dim") for t in [*more, *gap, *foot]))


def _line(text: str, style: str = "") -> "Text":
    from rich.text import Text

    return Text(text, style, no_wrap=True, overflow="ellipsis")


def head_lines(status: Status) -> list[str]:
    """Say how far the series is, how long it still takes, and what a crash would cost."""
    folds = [job for job in status.jobs if job.fold is not None]
    done = f"{status.completed} of {status.total_backbones} backbones"
    if folds:
        done += f", {sum(job.state == COMPLETE for job in folds)} of {len(folds)} folds"
    who = printable_text(status.training or "nobody at this moment")
    lines = [f"Complete:   {done}", *_left(status), f"Training:   {who}"]
    return lines + saving_line(status)


def _left(status: Status) -> list[str]:
    count = sum(job.interruptions for job in status.jobs)
    survived = f"{counted(count, 'interruption')} survived" if count else ""
    left = f"about {duration(status.time_left)}" if status.time_left else ""
    told = "; ".join(filter(None, [left, survived]))
    return [f"{'Left' if left else 'So far'}:{' ' * (7 if left else 5)}{told}"] if told else []


def fitting(rows: list[Row], room: int | None) -> tuple[list[Row], list[Row]]:
    """Return the rows to show in so many lines, in order, and those that have no place."""
    every = [row for own in rows for row in (own, *map(Row, own.folds))]
    if room is None or len(every) <= room:
        return every, []
    some = [row for own in rows for row in (_busy(own) or [own])]
    if len(some) <= room:
        return some, []
    busy = {row.job.job for own in rows for row in _busy(own)}
    first = sorted(some, key=lambda row: row.job.job not in busy)[: room - 1]
    chosen = {row.job.job for row in first}
    return [r for r in some if r.job.job in chosen], [r for r in some if r.job.job not in chosen]


def _busy(row: Row) -> list[Row]:
    """Return a backbone that is in training, or has failed, with the folds that are or have."""
    folds = [Row(fold) for fold in row.folds if fold.state in (STARTED, FAILED)]
    return [row, *folds] if folds or row.job.state in (STARTED, FAILED) else []


def _count(hidden: list[Row]) -> str:
    states = Counter(row.job.state for row in hidden)
    parts = [f"{states[state]} {word}" for state, word in _WORDS.items() if states[state]]
    return f"  and {len(hidden)} more: {', '.join(parts)}"


def _failures(status: Status) -> list[str]:
    failed = [job for job in status.jobs if job.state == FAILED]
    return [_failure(job) for job in failed[:2]] + [f"… and {len(failed) - 2} more"] * (
        len(failed) > 2
    )


def _failure(job: JobStatus) -> str:
    error = " ".join(printable_text(job.error or "").split())
    line = f"✗ {job.job}: {error}"
    return line if len(line) <= _LONGEST_ERROR else f"{line[:_LONGEST_ERROR]}…"


def _table(status: Status, rows: list[Row], columns: int) -> "Table":
    from rich.text import Text

    table = plain_table(status)
    table.collapse_padding, table.caption = False, None
    cells = fitted(_columns(rows), _DROPPED_FIRST, columns, _GAP)
    for heading in cells:
        left = heading in ("Backbone", "State")
        table.add_column(heading, justify="left" if left else "right", no_wrap=True)
    for number, row in enumerate(rows):
        line = [Text(printable_text(texts[number])) for texts in cells.values()]
        table.add_row(*line, style=_STYLES[row.job.state])
    return table


def _columns(rows: list[Row]) -> dict[str, list[str]]:
    cells = {
        "Backbone": [f"{MARKS[row.job.state]} {row.name}" for row in rows],
        "State": [row.standing for row in rows],
        "Accuracy": [row.accuracy for row in rows],
        "Folds": [row.folds_done for row in rows],
        "Time": [row.time if row.job.seconds else "" for row in rows],
        "Resumed": [row.interruptions for row in rows],
    }
    return {heading: texts for heading, texts in cells.items() if any(texts)}


def _wrapped(lines: list[str], columns: int) -> list[str]:
    """Break lines between words, further lines indented."""
    fold = textwrap.TextWrapper(max(columns, 10), subsequent_indent="  ")
    return [part for line in lines for part in fold.wrap(line)]
