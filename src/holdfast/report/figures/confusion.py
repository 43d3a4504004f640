"""Which classes are taken for which: the confusion matrix, as shares of each true class."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray

from holdfast.report.figures.style import BLUE, GRID, MUTED, PAPER, legible, percent_axis

# light to dark in one hue, so that no colour has to be told from another
_SHADES = LinearSegmentedColormap.from_list("holdfast", ["#f3f8fc", "#7fb8d8", BLUE, "#00385a"])
_WITH_COUNTS, _WITH_SHARES, _WITH_GAPS, _WITH_EVERY_NAME = 6, 25, 40, 100
_WIDEST = 12.5
_DARK = 0.45  # a share from which on white can be read on it better than black


def draw_confusion(matrix: NDArray[np.float64], classes: Sequence[str]) -> Figure:
    """Draw counts (classes, classes), a row for each true class, as shares of their row."""
    count, names = len(classes), [legible(name) for name in classes]
    side = count * _cell(count)
    figure = Figure(figsize=(side + 1, side + 1))
    axes = figure.add_axes(
        (0.5 / (side + 1), 0.5 / (side + 1), side / (side + 1), side / (side + 1))
    )
    shares = shares_of_rows(matrix)
    _fill(axes, shares)
    if count <= _WITH_SHARES:
        _write_shares(axes, matrix, shares)
    _name_classes(axes, names)
    _add_scale(figure, side)
    return figure


def shares_of_rows(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return each row divided by its sum; NaN where a class has no image."""
    totals = matrix.sum(axis=1, keepdims=True)
    shares = np.full(matrix.shape, np.nan)
    np.divide(matrix, totals, out=shares, where=totals > 0)
    return shares


def _cell(count: int) -> float:
    """Return the side of a cell in inches; the whole never has more than `_WIDEST`."""
    if count <= _WITH_COUNTS:
        return 0.62
    return 0.33 if count <= _WITH_SHARES else min(0.2, _WIDEST / count)


def _fill(axes: Axes, shares: NDArray[np.float64]) -> None:
    count = len(shares)
    axes.set_facecolor(GRID)  # shows through where a class has no image
    axes.grid(visible=False)
    known = np.ma.masked_invalid(shares)
    axes.imshow(known, cmap=_SHADES, vmin=0, vmax=1, interpolation="nearest")
    gaps = [edge - 0.5 for edge in range(1, count)] if count <= _WITH_GAPS else []
    for gap in gaps:
        axes.axhline(gap, color=PAPER, linewidth=0.8)
        axes.axvline(gap, color=PAPER, linewidth=0.8)
    axes.set(xlim=(-0.5, count - 0.5), ylim=(count - 0.5, -0.5), aspect="equal")
    axes.spines[:].set_visible(False)


def _write_shares(axes: Axes, matrix: NDArray[np.float64], shares: NDArray[np.float64]) -> None:
    for row, column in np.argwhere(np.nan_to_num(shares) > 0):
        share = shares[row, column]
        text = f"{share:.0%}".rstrip("%") if share >= 0.005 else "<1"
        if len(shares) <= _WITH_COUNTS:
            text = f"{100 * share:.1f} %\n{matrix[row, column]:.0f}"
        colour = "#fefefe" if share > _DARK else "#0b0f14"
        axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=7)


def _name_classes(axes: Axes, names: list[str]) -> None:
    count = len(names)
    step = 1 if count <= _WITH_EVERY_NAME else -(-count // _WITH_EVERY_NAME)
    places = range(0, count, step)
    size = 7.5 if count <= _WITH_SHARES else 6.5 if count <= 60 else 5.5
    shown = [names[place] for place in places]
    slant = (
        0
        if max(map(len, names), default=0) * 0.065 < 0.8 * _cell(count)
        else 45
        if count <= _WITH_GAPS
        else 90
    )
    axes.set_xticks(
        places,
        shown,
        fontsize=size,
        rotation=slant,
        rotation_mode="anchor",
        ha="right" if slant else "center",
        va="center" if slant == 90 else "top",
    )
    axes.set_yticks(places, shown, fontsize=size)
    axes.tick_params(length=0, pad=3 if slant else 6)
    axes.set(xlabel="predicted class", ylabel="true class")


def _add_scale(figure: Figure, side: float) -> None:
    """Add the scale of colours at the right, as high as the matrix or three inches."""
    from matplotlib.cm import ScalarMappable

    whole, high = side + 1, min(side, 3.0)
    place = ((side + 0.62) / whole, (0.5 + side - high) / whole, 0.12 / whole, high / whole)
    scale = figure.colorbar(ScalarMappable(cmap=_SHADES), cax=figure.add_axes(place))
    scale.outline.set_visible(False)
    percent_axis(scale.ax.yaxis)
    scale.ax.tick_params(color=MUTED, length=2)
    scale.set_label("share of the true class")
