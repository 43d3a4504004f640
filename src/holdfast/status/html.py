"""A run as HTML, as a notebook shows it; all that comes from files is escaped."""

from collections.abc import Iterable
from html import escape

from holdfast.status.live import head_lines
from holdfast.status.rows import Row, rows_of, score
from holdfast.status.snapshot import COMPLETE, FAILED, STARTED, Status
from holdfast.status.text import CHANGED, MARKS, marked, printable_text

_HEADINGS = ("Backbone", "State", "Accuracy", "F1", "Folds", "Time", "Interrupted")
_STYLES = {COMPLETE: "", STARTED: "font-weight:bold", FAILED: "color:#c33"}
_PENDING = "opacity:0.6"


def status_html(status: Status) -> str:
    """Return what `render_text` and the table of results say, as one table; of any theme."""
    if not status.begun:
        return f"<p>{_safe(status.directory)}: no run is recorded here</p>"
    head = "<br>".join(map(_safe, [f"Directory: {status.directory}", *head_lines(status)]))
    heading = "".join(_cell("th", text, number < 2) for number, text in enumerate(_HEADINGS))
    rows = "".join(map(_row, rows_of(status)))
    failed = [f"{job.job}: {job.error}" for job in status.jobs if job.state == FAILED]
    notes = [CHANGED] * marked(status) + [f"{MARKS[FAILED]} {error}" for error in failed]
    return (
        f"<div>{head}<table><thead><tr>{heading}</tr></thead><tbody>{rows}</tbody></table>"
        f"{'<br>'.join(map(_safe, notes))}</div>"
    )


def _row(row: Row) -> str:
    texts: Iterable[str] = (
        f"{MARKS[row.job.state]} {row.name}",
        row.standing,
        row.accuracy,
        score(row.job.score("f1")),
        row.fold_scores or row.folds_done,
        row.time if row.job.seconds else "",
        row.interruptions,
    )
    cells = "".join(_cell("td", text, number < 2) for number, text in enumerate(texts))
    return f'<tr style="{_STYLES.get(row.job.state, _PENDING)}">{cells}</tr>'


def _cell(tag: str, text: str, left: bool) -> str:
    side = "left" if left else "right"
    return f'<{tag} style="text-align:{side};padding:0.1em 0.6em">{_safe(text)}</{tag}>'


def _safe(text: str) -> str:
    return escape(printable_text(text))
