"""ROC curves: one class against the rest, and their means."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from holdfast.report.figures.style import COLOURS, INK, MUTED, legible

_EACH_ITS_COLOUR = 6
_WORST = 3
_CORNERS = (0.05, 0.1, 0.25)
_DASHES = ("-", "--", ":", "-.")


@dataclass(frozen=True)
class RocLine:
    """One curve: rates of false and true positives (points,) each, and the area below."""

    label: str
    false_rate: NDArray[np.float64]
    true_rate: NDArray[np.float64]
    area: float


def draw_roc(classes: Sequence[RocLine], means: Sequence[RocLine]) -> Figure:
    """Draw the curve of each class, or, of many, the worst in colour; then the means."""
    worst = sorted(classes, key=lambda line: line.area)
    coloured = list(classes) if len(classes) <= _EACH_ITS_COLOUR else worst[:_WORST]
    rest = [line for line in classes if not any(line is one for one in coloured)]
    figure, whole, corner = _panels([*classes, *means])
    for axes in (whole, corner):
        for place, line in enumerate(rest):
            label = f"the other {len(rest)} classes" if axes is whole and not place else None
            rates = (line.false_rate, line.true_rate)
            axes.plot(*rates, color=MUTED, alpha=0.45, linewidth=0.8, label=label)
        for line, colour in zip(coloured, COLOURS, strict=False):
            _plot(axes, line, colour, "-", 1.2)
        for line, dashes in zip(means, ("-", "--"), strict=False):
            _plot(axes, line, INK, dashes, 1.8)
    _key(figure, whole, "area under the curve")
    return figure


def draw_roc_of_all(means: Sequence[RocLine], ensemble: RocLine | None = None) -> Figure:
    """Draw the macro mean of each backbone, and of their ensemble."""
    figure, whole, corner = _panels(means)
    for axes in (whole, corner):
        for place, line in enumerate(sorted(means, key=lambda line: -line.area)):
            dashes = _DASHES[place // len(COLOURS) % len(_DASHES)]
            _plot(axes, line, COLOURS[place % len(COLOURS)], dashes, 1.2)
        if ensemble is not None:
            _plot(axes, ensemble, INK, "--", 2.0)  # it may be one model's, which shows through
    _key(figure, whole, "macro area under the curve")
    return figure


def _panels(lines: Sequence[RocLine]) -> tuple[Figure, Axes, Axes]:
    """Return a figure with the whole square, and with as much of its corner as tells them apart."""
    missing = 4 * (1 - float(np.median([line.area for line in lines])) if lines else 0)
    side = next((side for side in _CORNERS if side >= missing), 0.5)
    figure = Figure(figsize=(8.4, 3.4), layout="constrained")
    whole, corner = figure.subplots(1, 2)
    whole.plot([0, 1], [0, 1], color=MUTED, linewidth=0.8, linestyle=(0, (2, 3)), label="chance")
    whole.set(xlim=(-0.01, 1), ylim=(0, 1.01), ylabel="true positive rate")
    corner.set(xlim=(-side / 80, side), ylim=(1 - side, 1 + side / 80))
    corner.set_title("the upper left corner")
    for axes in (whole, corner):
        axes.set(box_aspect=1, xlabel="false positive rate")
    return figure, whole, corner


def _key(figure: Figure, axes: Axes, title: str) -> None:
    lines, labels = axes.get_legend_handles_labels()
    figure.legend(lines, labels, loc="outside right center", title=title, alignment="left")


def _plot(axes: Axes, line: RocLine, colour: str, dashes: str, width: float) -> None:
    label = f"{line.area:.4f}  {legible(line.label)}"
    axes.plot(line.false_rate, line.true_rate, dashes, color=colour, linewidth=width, label=label)
