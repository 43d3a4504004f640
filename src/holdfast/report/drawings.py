"""Which figures a report has, and what each says in words."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from holdfast.report import figures
from holdfast.report.comparison import ENSEMBLE, Row, entries
from holdfast.report.facts import Facts, classes_of, confusion_of
from holdfast.report.figures import Course, Drawn, Panel
from holdfast.report.roc import curves_of_classes, means_of
from holdfast.report.text import UNKNOWN, number, percent, plain
from holdfast.status import Curve, JobStatus, counted, times

_PANELS = {
    "loss": {"training": "train_loss", "validation": "val_loss"},
    "accuracy": {"training": "train_acc", "validation": "val_acc", "validation F1": "val_f1"},
    "learning rate": {"learning rate": "learning_rate"},
}
_WHOLE = {"validation F1", "learning rate"}
_NO_QUANTITY = {"stage", "epoch"}
_MOST_PANELS = 3


@dataclass(frozen=True)
class Drawing:
    """One figure of the report."""

    name: str
    """Its files' name, without the ending."""
    caption: str
    words: str
    """What it shows, for those who do not see it."""
    drawn: Drawn


Plan = tuple[str, str, str, Callable[[], Drawn]]


def plan_drawings(facts: Facts, rows: Sequence[Row]) -> list[Plan]:
    """Return the figures to draw: name, caption, words, and how."""
    plans = list(_of_all(facts, rows))
    for job in facts.shown:
        plans += _of_job(facts, job)
    if facts.ensemble:
        plans += _of_ensemble(facts)
    return plans


def draw(plan: Plan) -> Drawing:
    """Draw one of them."""
    name, caption, words, make = plan
    return Drawing(name, caption, words, make())


def largest_confusions(
    matrix: NDArray[np.float64], classes: Sequence[str], most: int = 5
) -> list[tuple[str, str, int, int]]:
    """Return true class, predicted class, how many images of how many; the most frequent first."""
    wrong = matrix - np.diag(np.diag(matrix))
    pairs = [
        divmod(int(place), len(matrix)) for place in np.argsort(-wrong, axis=None, kind="stable")
    ]
    totals = matrix.sum(axis=1)
    return [
        (classes[true], classes[taken], int(wrong[true, taken]), int(totals[true]))
        for true, taken in pairs[:most]
        if wrong[true, taken] > 0
    ]


def _of_all(facts: Facts, rows: Sequence[Row]) -> Iterator[Plan]:
    known, drawable = [row for row in rows if row.accuracy is not None], entries(rows)
    if known:
        words = f"{_span_of(known)} The numbers stand in the table of results."
        best = f" of the best {figures.MOST_ENTRIES}" if len(rows) > figures.MOST_ENTRIES else ""
        caption = f"Accuracy on the test images{best}, and the spread over the folds"
        yield "comparison", caption, words, lambda: figures.drawn(figures.draw_comparison, drawable)
    costed = [row for row in known if row.seconds and not row.is_ensemble]
    if costed:
        words = "The same accuracies, by time in training and by parameters; see the table."
        caption = "Accuracy, by what it costs: time in training (without folds), parameters"
        yield "costs", caption, words, lambda: figures.drawn(figures.draw_costs, drawable)
    if folded := [row for row in rows if row.fold_scores]:
        words = "; ".join(
            f"{row.name}: mean {percent(row.fold_mean)} of {counted(len(row.fold_scores), 'fold')}"
            for row in folded
        )
        caption = "Accuracy of every fold, each measured on its held-out part"
        yield "folds", caption, words, lambda: figures.drawn(figures.draw_folds, drawable)
    if facts.scores:
        yield _roc_of_all(facts)


def _span_of(known: Sequence[Row]) -> str:
    low, high = (f(known, key=lambda row: row.accuracy or 0.0) for f in (min, max))
    least, most = percent(low.accuracy), percent(high.accuracy)
    if len(known) == 1:
        return f"Test accuracy of {low.name}: {least}."
    if low.accuracy == high.accuracy:
        return f"Test accuracy of {len(known)} models, {least} each."
    return (
        f"Test accuracy of {len(known)} models, from {least} ({low.name}) to {most} ({high.name})."
    )


def _roc_of_all(facts: Facts) -> Plan:
    means = [means_of(scores, job)[0] for job, scores in facts.scores.items()]
    scored = facts.ensemble.scores if facts.ensemble else None
    ensemble = means_of(scored, ENSEMBLE)[0] if scored else None
    every = [*means, ensemble] if ensemble else means
    words = "; ".join(f"{line.label}: {number(line.area, 3)}" for line in every)
    dashed = "; thick and dashed: the ensemble" if ensemble else ""
    caption = f"ROC curves of all models, the mean over the classes{dashed}"
    return (
        "roc",
        caption,
        f"Area under each curve. {words}",
        lambda: figures.drawn(figures.draw_roc_of_all, means, ensemble),
    )


def _of_job(facts: Facts, job: JobStatus) -> Iterator[Plan]:
    curve = facts.past.curves.get(job.job)
    if curve is not None and (course := course_of(curve)).panels:
        yield (
            f"curves_{job.job}",
            f"{job.job}: how it learned",
            _words_of_course(curve, course),
            lambda: figures.drawn(figures.draw_curves, course),
        )
    yield from _of_result(facts, job.job, job.job, job.result)
    if scores := facts.scores.get(job.job):
        names = classes_of(facts, scores.probabilities.shape[1])
        yield _roc_of(f"roc_{job.job}", f"{job.job}: ROC curves", scores, names)


def _of_ensemble(facts: Facts) -> Iterator[Plan]:
    assert facts.ensemble is not None
    yield from _of_result(facts, "ensemble", ENSEMBLE, facts.ensemble.result)
    if scores := facts.ensemble.scores:
        names = classes_of(facts, scores.probabilities.shape[1])
        yield _roc_of("roc_ensemble", f"{ENSEMBLE}: ROC curves", scores, names)


def _of_result(facts: Facts, name: str, title: str, result: dict[str, object]) -> Iterator[Plan]:
    matrix = confusion_of(result)
    if matrix is None:
        return
    classes = classes_of(facts, len(matrix))
    told = [
        f"{plain(true)} taken for {plain(taken)}: {count} of {total}"
        for true, taken, count, total in largest_confusions(matrix, classes)
    ]
    words = f"Most frequent: {'; '.join(told)}." if told else "No image is taken for another class."
    images = counted(round(matrix.sum()), "image")
    yield (
        f"confusion_{name}",
        f"{title}: which class is taken for which",
        f"Confusion matrix of {len(matrix)} classes, {images}. {words}",
        lambda: figures.drawn(figures.draw_confusion, matrix, classes),
    )


def _roc_of(name: str, caption: str, scores: object, classes: Sequence[str]) -> Plan:
    lines, means = curves_of_classes(scores, classes), means_of(scores)  # type: ignore[arg-type]
    told = "; ".join(f"{plain(line.label)}: {number(line.area, 3)}" for line in [*lines, *means])
    words = f"Area under the curve of each class against the rest. {told}"
    return name, caption, words, lambda: figures.drawn(figures.draw_roc, lines, means)


def course_of(curve: Curve) -> Course:
    """Return the panels for what a job's epochs recorded: the pipeline's names, or any others."""
    panels = []
    for title, names in _PANELS.items():
        lines = {label: curve.values(name) for label, name in names.items()}
        lines = {label: values for label, values in lines.items() if _has_any(values)}
        if lines:
            panels.append(Panel(title, lines))
    if not panels:
        found = dict.fromkeys(key for row in curve.rows for key in row if key not in _NO_QUANTITY)
        others = {key: curve.values(key) for key in found}
        panels = [Panel(k, {k: values}) for k, values in others.items() if _has_any(values)]
    return Course(panels[:_MOST_PANELS], curve.stage_starts, curve.marks)


def _last(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.3g}"


def _has_any(values: Sequence[float | None]) -> bool:
    return any(value is not None for value in values)


def _words_of_course(curve: Curve, course: Course) -> str:
    ends = [
        f"{label if label in _WHOLE else f'{label} {panel.title}'} ends at {_last(last)}"
        for panel in course.panels
        for label, values in panel.lines.items()
        for last in [next((v for v in reversed(values) if v is not None), None)]
    ]
    stops = len(course.marks)
    cut = f" It was interrupted {times(stops)}." if stops else ""
    return f"{counted(len(curve.rows), 'epoch')}: {'; '.join(ends)}.{cut}"
