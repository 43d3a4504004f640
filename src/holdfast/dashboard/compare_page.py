"""The page *Compare*: the backbones beside each other."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from holdfast.dashboard.axes import Axis, spread
from holdfast.dashboard.job_page import millions
from holdfast.dashboard.markup import Child, Markup, breakable, job_path, join, tag
from holdfast.dashboard.matrix import MOST_CLASSES, as_picture, in_words, names_for, sensible
from holdfast.dashboard.panels import panel, percent, score, table
from holdfast.dashboard.reading import Reading
from holdfast.dashboard.scatter import Point, scatter
from holdfast.status import COMPLETE, duration

_MOST = 100
_MOST_MATRICES = 30
_TIMES = [n * unit for unit in (1.0, 60.0) for n in (1, 2, 3, 5, 10, 20, 30)]
_TIMES += [n * 3600.0 for n in (1, 2, 3, 6, 12, 24, 48, 120, 240)]


@dataclass(frozen=True)
class Entry:
    """What there is to compare of a backbone."""

    backbone: str
    accuracy: float | None
    """On the test set; None where only folds are complete."""
    folds: Sequence[float]
    """The accuracy of each complete fold."""
    parameters: float | None
    seconds: float
    """Of training, of the job on the full split."""

    @property
    def best_known(self) -> float:
        """What it is ordered by."""
        return self.accuracy if self.accuracy is not None else statistics.mean(self.folds)


def compare_page(reading: Reading) -> Markup:
    """Return the page."""
    entries = _entries(reading)
    if not entries:
        nothing = "No job is complete yet: nothing is there to compare."
        return panel("Test accuracy", tag("p", nothing, class_="none"))
    return join(
        [
            _accuracies(entries),
            tag("div", _by_parameters(entries), _by_time(entries), class_="columns"),
            _matrices(reading, entries),
        ]
    )


def _entries(reading: Reading) -> list[Entry]:
    found = []
    for job in reading.status.jobs:
        if job.fold is not None:
            continue
        complete = job.state == COMPLETE
        folds = [s for f in reading.folds(job.backbone) if (s := score(f)) is not None]
        accuracy = score(job) if complete else None
        if accuracy is None and not folds:
            continue
        found.append(Entry(job.backbone, accuracy, folds, score(job, "parameters"), job.seconds))
    return sorted(found, key=lambda entry: -entry.best_known)


def _accuracies(entries: Sequence[Entry]) -> Markup:
    shown = entries[:_MOST]
    every = [v for e in shown for v in (e.accuracy, *e.folds)]
    low, high = spread(every) or (0.0, 1.0)
    across = Axis(max(low, 0.0), min(high, 1.0) if high <= 1.1 else high, 0, 100)
    rows = [_row(entry, across) for entry in shown]
    plot = tag("span", "Picture", class_="unseen")
    heads: list[tuple[Child, str]] = [("Backbone", ""), (plot, "plot"), ("Accuracy", "number")]
    heads.append(("Folds", "number"))
    signs = tag(
        "div",
        tag("span", tag("i", class_="key-dot"), "test set"),
        tag("span", tag("i", class_="key-fold"), "each fold"),
        tag("span", tag("i", class_="key-range"), "mean ± standard deviation of the folds"),
        class_="legend",
        aria_hidden="true",
    )
    scale = tag(
        "tr",
        tag("td"),
        tag("td", tag("div", _scale(across), class_="scale"), class_="plot"),
        tag("td", class_="number"),
        tag("td", class_="number"),
        aria_hidden="true",
    )
    body = table("Test accuracy of each backbone, the best first", heads, [*rows, scale])
    hidden = len(entries) - len(shown)
    more = tag("p", f"And {hidden} more.", class_="none") if hidden > 0 else None
    return panel("Test accuracy", body, more, note=signs, class_="accuracies")


def _row(entry: Entry, across: Axis) -> Markup:
    dot = (
        tag("i", class_="dot", style=f"left:{across(entry.accuracy)}%")
        if entry.accuracy is not None
        else None
    )
    folds = (tag("i", class_="fold-dot", style=f"left:{across(v)}%") for v in entry.folds)
    plot = tag("div", _range(entry, across), folds, dot, class_="track")
    return tag(
        "tr",
        tag("th", tag("a", breakable(entry.backbone), href=job_path(entry.backbone)), scope="row"),
        tag("td", plot, class_="plot"),
        tag("td", f"{entry.accuracy:.4f}" if entry.accuracy is not None else "-", class_="number"),
        tag("td", _folds(entry), class_="number"),
    )


def _range(entry: Entry, across: Axis) -> Markup | None:
    if len(entry.folds) < 2:
        return None
    mean, deviation = statistics.mean(entry.folds), statistics.stdev(entry.folds)
    left, right = (min(max(across(v), 0.0), 100.0) for v in (mean - deviation, mean + deviation))
    return tag("span", class_="range", style=f"left:{left}%;width:{right - left:.1f}%")


def _folds(entry: Entry) -> str:
    if not entry.folds:
        return ""
    mean = f"{statistics.mean(entry.folds):.3f}"
    return f"{mean} ± {statistics.stdev(entry.folds):.3f}" if len(entry.folds) > 1 else mean


def _scale(across: Axis) -> list[Markup]:
    return [
        tag("span", f"{100 * tick:g} %", style=f"left:{across(tick)}%") for tick in across.ticks
    ]


def _by_parameters(entries: Sequence[Entry]) -> Markup:
    points = _points(entries, lambda entry: entry.parameters)
    if not points:
        none = "These results do not say how many parameters they have; newer ones do."
        return panel("Accuracy by parameters", tag("p", none, class_="none"))
    return panel(
        "Accuracy by parameters", scatter("Accuracy by parameters", points, millions, percent)
    )


def _by_time(entries: Sequence[Entry]) -> Markup:
    points = _points(entries, lambda entry: entry.seconds or None)
    if not points:
        none = "How long the jobs trained is not recorded."
        return panel("Accuracy by training time", tag("p", none, class_="none"))
    drawn = scatter("Accuracy by training time", points, _time, percent, _TIMES)
    return panel("Accuracy by training time", drawn)


def _time(seconds: float) -> str:
    """Return a time; the round ones of an axis without their zeros."""
    unit, name = next(
        (u, n) for u, n in ((3600, "h"), (60, "min"), (1, "s")) if seconds >= u or u == 1
    )
    whole = seconds / unit
    return f"{whole:.0f} {name}" if whole == round(whole) else duration(seconds)


def _points(entries: Sequence[Entry], of: Callable[[Entry], float | None]) -> list[Point]:
    return [
        Point(entry.backbone.removeprefix("Custom"), x, entry.accuracy)
        for entry in entries[:_MOST]
        if entry.accuracy is not None and (x := of(entry)) is not None and x > 0
    ]


def _matrices(reading: Reading, entries: Sequence[Entry]) -> Markup | None:
    found: list[Child] = []
    for entry in entries[:_MOST_MATRICES]:
        job = reading.jobs[entry.backbone]
        matrix = sensible(job.result.get("confusion_matrix"))
        if matrix is None or len(matrix) > MOST_CLASSES:
            continue
        names = names_for(matrix, reading.status.classes)
        head = tag("a", breakable(entry.backbone), href=job_path(entry.backbone))
        words = tag("p", in_words(matrix, names, most=1))
        found.append(
            tag(
                "figure",
                as_picture(matrix, names, entry.backbone),
                tag("figcaption", head, words),
            )
        )
    if not found:
        return None
    note = "A row for each true class, a column for what was said."
    return panel("Confusion", tag("div", found, class_="matrices"), note=note)
