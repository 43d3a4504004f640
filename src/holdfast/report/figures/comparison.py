"""All backbones beside each other: accuracy with its spread, and what it cost."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from holdfast.report.figures.style import (
    BLUE,
    COLOURS,
    INK,
    MARKERS,
    MUTED,
    PAPER,
    VERMILION,
    WIDTH,
    legible,
    percent_axis,
    rows_axes,
)

MOST_ENTRIES = 60
_ROW = 0.26  # inches


@dataclass(frozen=True)
class Entry:
    """What the comparison knows of one backbone, or of the ensemble."""

    name: str
    accuracy: float | None
    """On the test images, from 0 to 1."""
    interval: tuple[float, float] | None = None
    """Its 95 % confidence interval."""
    folds: Sequence[float] = ()
    """Accuracy of each completed fold."""
    seconds: float | None = None
    """Time in training, of the full split."""
    parameters: int | None = None
    is_ensemble: bool = False


def draw_comparison(entries: Sequence[Entry]) -> Figure:
    """Draw a row for each, the best on top: test accuracy and mean ± deviation of the folds."""
    ranked = ranking(entries)
    figure = Figure(figsize=(WIDTH, 1.1 + _ROW * len(ranked)), layout="constrained")
    axes = figure.subplots()
    rows_axes(axes, [entry.name for entry in ranked])
    for row, entry in enumerate(ranked):
        _draw_test(axes, row, entry)
        if entry.folds:
            _draw_mean(axes, row + 0.2, entry.folds)
    percent_axis(axes.xaxis)
    axes.set_xlabel("accuracy")
    handles = [_dot("test images, 95 % interval", INK, "o")]
    if any(entry.folds for entry in ranked):
        handles.append(_dot("folds, mean ± standard deviation", BLUE, "s"))
    if any(entry.is_ensemble for entry in ranked):
        handles.insert(1, _dot("ensemble", VERMILION, "D"))
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles))
    return figure


def draw_folds(entries: Sequence[Entry]) -> Figure:
    """Draw a row for each backbone with folds: every fold, their mean, and the test accuracy."""
    ranked = [entry for entry in ranking(entries) if entry.folds]
    figure = Figure(figsize=(WIDTH, 1.1 + 1.2 * _ROW * len(ranked)), layout="constrained")
    axes = figure.subplots()
    rows_axes(axes, [entry.name for entry in ranked])
    for row, entry in enumerate(ranked):
        _draw_mean(axes, row, entry.folds, "|")
        spread = np.linspace(-0.2, 0.2, len(entry.folds)) if len(entry.folds) > 1 else [0.0]
        axes.plot(list(entry.folds), row + np.asarray(spread), ".", color=MUTED, markersize=6)
        if entry.accuracy is not None:
            axes.plot(entry.accuracy, row, "o", markerfacecolor="none", color=INK, markersize=6)
    percent_axis(axes.xaxis)
    axes.set_xlabel("accuracy")
    handles = [
        _dot("one fold", MUTED, "."),
        _dot("mean ± standard deviation of the folds", BLUE, "|", size=9),
        _dot("full split, test images", INK, "o", hollow=True),
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles))
    return figure


def draw_costs(entries: Sequence[Entry]) -> Figure:
    """Draw accuracy against the time in training, and against the number of parameters."""
    known = [entry for entry in ranking(entries) if not entry.is_ensemble]
    rows = -(-len(known) // 3)
    figure = Figure(figsize=(WIDTH, 2.9 + 0.17 * rows), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    _draw_cost(panels[0], known, [entry.seconds for entry in known])
    _mark(panels[0], [entry.seconds for entry in known], _TIMES, FuncFormatter(_time))
    _draw_cost(panels[1], known, [entry.parameters for entry in known])
    _mark(panels[1], [entry.parameters for entry in known], _COUNTS, FuncFormatter(_count))
    panels[0].set_xlabel("time in training, without folds")
    panels[1].set_xlabel("parameters")
    panels[0].set_ylabel("test accuracy")
    percent_axis(panels[0].yaxis)
    handles = [_dot(entry.name, _colour(n), _marker(n), size=5) for n, entry in enumerate(known)]
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    return figure


def ranking(entries: Sequence[Entry]) -> list[Entry]:
    """Return those with an accuracy of any kind, the best first, as many as fit a page."""
    known = [entry for entry in entries if entry.accuracy is not None or entry.folds]
    return sorted(known, key=_accuracy, reverse=True)[:MOST_ENTRIES]


def _accuracy(entry: Entry) -> float:
    return float(np.mean(entry.folds)) if entry.accuracy is None else entry.accuracy


def _draw_test(axes: Axes, row: float, entry: Entry) -> None:
    if entry.accuracy is None:
        return
    colour, marker = (VERMILION, "D") if entry.is_ensemble else (INK, "o")
    place = row - (0.2 if entry.folds else 0.0)
    if entry.interval:
        axes.hlines(place, *entry.interval, color=colour, linewidth=1.0)
    axes.plot(entry.accuracy, place, marker, color=colour, markersize=5)


def _draw_mean(axes: Axes, row: float, folds: Sequence[float], marker: str = "s") -> None:
    mean = float(np.mean(folds))
    if len(folds) > 1:
        spread = float(np.std(folds, ddof=1))
        axes.hlines(row, mean - spread, mean + spread, color=BLUE, linewidth=1.2)
    size = 12 if marker == "|" else 4.5
    axes.plot(mean, row, marker, color=BLUE, markersize=size, markeredgewidth=1.5)


def _dot(label: str, colour: str, marker: str, *, hollow: bool = False, size: float = 5) -> Line2D:
    face = "none" if hollow else colour
    return Line2D(
        [],
        [],
        color=colour,
        marker=marker,
        linestyle="",
        label=legible(label),
        markerfacecolor=face,
        markersize=size,
    )


def _colour(place: int) -> str:
    return COLOURS[place % len(COLOURS)]


def _marker(place: int) -> str:
    """Return a shape: with the colour it is unique among 42."""
    return MARKERS[place % len(MARKERS)]


def _draw_cost(axes: Axes, known: Sequence[Entry], costs: Sequence[float | None]) -> None:
    for place, (entry, cost) in enumerate(zip(known, costs, strict=True)):
        if cost and entry.accuracy is not None:
            (dot,) = axes.plot(cost, entry.accuracy, _marker(place), color=_colour(place))
            dot.set(markersize=7, markeredgecolor=PAPER, markeredgewidth=0.4)


def _mark(
    axes: Axes, unsure: Sequence[float | None], steps: Sequence[float], formatter: FuncFormatter
) -> None:
    """Scale an axis by factors, over what there is and a little more, with a few round marks."""
    costs = [cost for cost in unsure if cost]
    low, high = min(costs, default=1) / 1.25, max(costs, default=1) * 1.25
    wider = max((3.0 * low / high) ** 0.5, 1.0)  # where all cost about the same
    axes.set_xscale("log")
    axes.set_xlim(low / wider, high * wider)
    inside = [step for step in steps if low / wider <= step <= high * wider]
    axes.xaxis.set_major_locator(FixedLocator(inside[:: max(-(-len(inside) // _MOST_MARKS), 1)]))
    axes.xaxis.set_major_formatter(formatter)
    axes.xaxis.set_minor_locator(NullLocator())


_MOST_MARKS = 6
_COUNTS = [step * 10.0**power for power in range(1, 12) for step in (1, 1.5, 2, 3, 4, 5, 7)]
_UNITS = (("s", 1), ("min", 60), ("h", 3600), ("d", 86400))
_TIMES = [
    *(count * 1.0 for count in (0.1, 0.2, 0.5, 1, 2, 3, 5, 7, 10, 15, 20, 30, 45)),
    *(count * 60.0 for count in (1, 1.5, 2, 3, 4, 5, 7, 10, 15, 20, 30, 45)),
    *(count * 3600.0 for count in (1, 1.5, 2, 3, 4, 6, 8, 12, 18)),
    *(count * 86400.0 for count in (1, 1.5, 2, 3, 4, 5, 7, 10, 15, 20, 30, 50, 100)),
]


def _time(value: float, _: int | None = None) -> str:
    unit, length = next((u for u in reversed(_UNITS) if value >= u[1]), _UNITS[0])
    return f"{value / length:.3g} {unit}"


def _count(value: float, _: int | None = None) -> str:
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value:.3g}"
