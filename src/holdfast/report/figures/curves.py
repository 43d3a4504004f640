"""How a job learned: loss, accuracy and learning rate by epochs, with its stages and its ends."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from holdfast.report.figures.style import BLUE, GREEN, INK, MUTED, ORANGE, VERMILION, WIDTH, legible

Values = Sequence[float | None]
_Dashes = Literal["-", "--"]
_LOOKS: dict[str, tuple[str, _Dashes]] = {
    "training": (BLUE, "--"),
    "validation": (VERMILION, "-"),
    "validation F1": (GREEN, "-"),
    "learning rate": (MUTED, "-"),
}
_LETTER = 0.03  # of a panel's width
_FEW = 40  # epochs that are worth a dot each


@dataclass(frozen=True)
class Panel:
    """One of the quantities that a job's figure shows."""

    title: str
    lines: Mapping[str, Values]
    """By label, a value for each epoch; None where there is none."""


@dataclass(frozen=True)
class Course:
    """All that the figure of a job's training shows."""

    panels: Sequence[Panel]
    stage_starts: Mapping[str, int] = field(default_factory=dict)
    """Epochs completed before each stage."""
    marks: Sequence[float] = ()
    """Epochs completed when it was interrupted."""


def draw_curves(course: Course) -> Figure:
    """Draw a panel for each quantity, side by side, over the epochs completed."""
    figure = Figure(figsize=(WIDTH, 2.7), layout="constrained")
    panels = figure.subplots(1, len(course.panels), squeeze=False)[0]
    for axes, panel in zip(panels, course.panels, strict=True):
        _draw_panel(axes, panel)
        _draw_stages(axes, course.stage_starts)
        _draw_marks(axes, course.marks)
    labels = dict.fromkeys(label for panel in course.panels for label in panel.lines)
    handles = [_handle(label) for label in labels]
    if course.marks:
        text = f"interrupted ({len(course.marks)})" if len(course.marks) > 1 else "interrupted"
        handles.append(
            Line2D([], [], color=ORANGE, marker="^", linestyle=":", label=text, markersize=5)
        )
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles))
    return figure


def _handle(label: str) -> Line2D:
    colour, dashes = _look(label)
    shown = legible(label)
    if shown.startswith("_"):  # matplotlib would keep it out of the key
        shown = f" {shown}"
    return Line2D([], [], color=colour, linestyle=dashes, label=shown)


def _look(label: str) -> tuple[str, _Dashes]:
    return _LOOKS.get(label, (INK, "-"))


def _draw_panel(axes: Axes, panel: Panel) -> None:
    epochs = max((len(values) for values in panel.lines.values()), default=0)
    for label, values in panel.lines.items():
        colour, dashes = _look(label)
        heights = np.array([np.nan if v is None else v for v in values], dtype=float)
        heights[~np.isfinite(heights)] = np.nan
        dot = "o" if len(values) <= _FEW else ""
        places = np.arange(1, len(values) + 1)
        axes.plot(places, heights, dashes, color=colour, marker=dot, markersize=2.5)
    axes.set_xlim(0, max(epochs, 1) * 1.02)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
    axes.set_title(legible(panel.title, 24), pad=14)
    axes.set_xlabel("epochs completed")


def _draw_stages(axes: Axes, starts: Mapping[str, int]) -> None:
    """Rule off each stage after the first, and name them above, where there is room."""
    ends = [*list(starts.values())[1:], axes.get_xlim()[1]]
    for (stage, start), end in zip(starts.items(), ends, strict=True):
        if start:
            axes.axvline(start, color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)))
        if (end - start) / axes.get_xlim()[1] > _LETTER * len(stage):
            axes.annotate(
                legible(stage),
                (start, 1.0),
                (2, 3),
                xycoords=("data", "axes fraction"),
                textcoords="offset points",
                fontsize=6.5,
                color=MUTED,
            )


def _draw_marks(axes: Axes, marks: Sequence[float]) -> None:
    if not marks:  # an empty line would have no extent, and the layout none either
        return
    for mark in sorted(set(marks)):
        axes.axvline(mark, color=ORANGE, linewidth=0.9, linestyle=":")
    foot = axes.get_xaxis_transform()
    axes.plot(
        list(marks),
        [0.0] * len(marks),
        "^",
        color=ORANGE,
        transform=foot,
        clip_on=False,
        markersize=5,
        zorder=5,
    )
