"""The part of the page *Job* that says what was taken for what."""

from collections.abc import Sequence

from holdfast.dashboard.markup import Markup, breakable, tag
from holdfast.dashboard.matrix import (
    MOST_CLASSES,
    Matrix,
    as_table,
    in_words,
    mistakes,
    names_for,
    sensible,
)
from holdfast.dashboard.panels import panel, table
from holdfast.dashboard.reading import Reading
from holdfast.status import JobStatus

_MOST_MISTAKES = 10


def confusion(reading: Reading, job: JobStatus) -> Markup | None:
    """Return a job's matrix and its commonest mistakes; None where its result has none."""
    matrix = sensible(job.result.get("confusion_matrix"))
    if matrix is None:
        return None
    names = names_for(matrix, reading.status.classes)
    words = tag("p", in_words(matrix, names, most=1))
    if len(matrix) > MOST_CLASSES:
        return panel("Confusion", words)
    shown = tag(
        "div", _scrolled(as_table(matrix, names)), _mistakes(matrix, names), class_="beside"
    )
    return panel("Confusion", words, shown, note="A row for each true class.")


def _mistakes(matrix: Matrix, names: Sequence[str]) -> Markup | None:
    found = mistakes(matrix, names)[:_MOST_MISTAKES]
    if not found:
        return None
    rows = [
        tag(
            "tr",
            tag("td", breakable(true)),
            tag("td", breakable(said)),
            tag("td", str(count), class_="number"),
        )
        for count, true, said in found
    ]
    heads = [("True", ""), ("Said", ""), ("Times", "number")]
    return tag("div", table("What was taken for what, most often first", heads, rows))


def _scrolled(inner: Markup) -> Markup:
    return tag(
        "div", inner, class_="scroll", role="region", aria_label="Confusion matrix", tabindex=0
    )
