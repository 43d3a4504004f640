"""The part of the page that tells of one backbone: its full split, then its folds."""

import re
from collections.abc import Mapping, Sequence

from holdfast.report.comparison import Row, score
from holdfast.report.drawings import Drawing, largest_confusions
from holdfast.report.facts import Facts, classes_of, confusion_of
from holdfast.report.figures import shares_of_rows
from holdfast.report.html import Child, Markup, inline_svg, join, table, tag
from holdfast.report.roc import areas
from holdfast.report.sections import flat
from holdfast.report.text import UNKNOWN, number, percent, plain
from holdfast.rundir import Result
from holdfast.status import COMPLETE, JobStatus, clock, counted, describe, times

Drawings = Mapping[str, Drawing]
_MOST_WORDS = 260
_MOST_CLASSES = 200  # in a table; the figure has them all


def anchor(name: str) -> str:
    """Return what a link to a backbone's section says."""
    return "backbone-" + re.sub(r"[^A-Za-z0-9.+-]", "-", name)


def backbone_section(facts: Facts, row: Row, drawings: Drawings) -> Markup:
    """Return all that is known of one backbone."""
    job = facts.job(row.name)
    assert job is not None  # the row is its
    folds = [fold for fold in facts.shown if fold.backbone == row.name and fold.fold is not None]
    return tag(
        "section",
        tag("h3", row.name + ("*" if row.changed else "")),
        _job_parts(facts, job, drawings),
        _settings(facts, row.name),
        [_fold(facts, fold, drawings) for fold in folds],
        id=anchor(row.name),
    )


def ensemble_figures(drawings: Drawings) -> Markup:
    """Return the figures of the ensemble."""
    return join(*(figure(drawings.get(name)) for name in ("confusion_ensemble", "roc_ensemble")))


def figure(drawing: Drawing | None) -> Markup | None:
    """Return a figure with its caption and the name of its files."""
    if drawing is None:
        return None
    shown = drawing.words if len(drawing.words) <= _MOST_WORDS else None  # a table has them
    files = tag("span", f"figures/{drawing.name}.svg, .png", class_="quiet")
    return tag(
        "figure",
        tag("div", inline_svg(drawing.drawn.svg, drawing.name, drawing.words), class_="scroll"),
        tag("figcaption", tag("b", drawing.caption), ". ", shown, tag("br"), files),
        id=f"figure-{drawing.name}",
    )


def _fold(facts: Facts, fold: JobStatus, drawings: Drawings) -> Markup:
    head = tag("summary", f"Fold {fold.fold}: {describe(fold)}")
    return tag("details", head, _job_parts(facts, fold, drawings))


def _job_parts(facts: Facts, job: JobStatus, drawings: Drawings) -> Markup:
    measured = "its held-out part" if job.fold is not None else "the test images"
    return join(
        _state(job),
        _numbers(job, measured) if job.state == COMPLETE else None,
        figure(drawings.get(f"curves_{job.job}")),
        figure(drawings.get(f"confusion_{job.job}")),
        figure(drawings.get(f"roc_{job.job}")),
        _by_class(facts, job),
    )


def _state(job: JobStatus) -> Markup:
    words = [plain(describe(job))[:1].upper() + plain(describe(job))[1:]]
    if job.seconds:
        words.append(f"{clock(job.seconds)} in training")
    if job.interruptions:
        words.append(f"interrupted {times(job.interruptions)}")
    return join(
        tag("p", "; ".join(words), ".", class_="quiet"),
        tag("p", tag("b", "Failed: "), job.error, class_="note") if job.error else None,
    )


def _numbers(job: JobStatus, measured: str) -> Markup | None:
    names = {
        "Accuracy": score(job, "final_accuracy", "accuracy"),
        "Precision": score(job, "precision"),
        "Recall": score(job, "recall"),
        "F1": score(job, "f1"),
        "ROC AUC": score(job, "roc_auc"),
        "Loss": score(job, "final_loss", "loss"),
    }
    known = {name: value for name, value in names.items() if value is not None}
    if not known:
        return None
    cells = [
        percent(value) if name == "Accuracy" else number(value) for name, value in known.items()
    ]
    return table(["", *known], [["Result", *cells]], caption=f"Measured on {measured}")


def _by_class(facts: Facts, job: JobStatus) -> Markup | None:
    matrix = confusion_of(job.result)
    if matrix is None:
        return None
    classes = classes_of(facts, len(matrix))
    scores = facts.scores.get(job.job)
    under = areas(scores) if scores and scores.probabilities.shape[1] == len(matrix) else None
    rows = class_rows(job.result, classes, under)
    heads: list[Child] = ["Class", "Images", "Recall", "Precision", "F1"]
    heads += ["ROC AUC"] if under else []
    shown = table(heads, rows[:_MOST_CLASSES], caption="Class by class")
    more = len(rows) - _MOST_CLASSES
    told = [
        tag("li", f"{true} taken for {taken}: {count} of {counted(total, 'image')}")
        for true, taken, count, total in largest_confusions(matrix, classes)
    ]
    return tag(
        "details",
        tag("summary", "Class by class, in numbers"),
        shown,
        tag("p", f"… and {more} more; results.json has all.", class_="quiet") if more > 0 else None,
        [tag("p", "Most frequent confusions:"), tag("ul", told)] if told else None,
    )


def class_rows(
    result: Result, classes: Sequence[str], under: Sequence[float | None] | None
) -> list[list[Child]]:
    """Return for each class its name, images, recall, precision, F1 and, if known, the area."""
    matrix = confusion_of(result)
    assert matrix is not None
    recall, precision = shares_of_rows(matrix).diagonal(), shares_of_rows(matrix.T).diagonal()
    rows: list[list[Child]] = []
    for label, name in enumerate(classes):
        r, p = float(recall[label]), float(precision[label])
        f1 = 2 * r * p / (r + p) if r + p > 0 else 0.0 if r + p == 0 else float("nan")
        told = [number(value) if value == value else UNKNOWN for value in (r, p, f1)]
        area = [number(under[label])] if under else []
        rows.append([name, f"{matrix[label].sum():.0f}", *told, *area])
    return rows


def _settings(facts: Facts, name: str) -> Markup | None:
    settings = facts.record.get("settings")
    mine = settings.get(name) if isinstance(settings, Mapping) else None
    if not mine:
        return None
    rows: list[list[Child]] = [[key, value] for key, value in flat(mine)]
    shown = table(["", ""], rows, caption=f"How {name} learned", class_="words")
    return tag("details", tag("summary", "Settings"), shown)
