"""A picture of what a job measured, epoch by epoch, with its stages and its interruptions."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from holdfast.dashboard.axes import Axis, spread
from holdfast.dashboard.markup import Markup, tag
from holdfast.status import counted

WIDTH, HEIGHT = 400, 236
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 388, 24, 208
_MOST_POINTS = 600  # of a line; more than a picture of this width shows
_MOST_DOTS = 80

Values = Sequence[float | None]


@dataclass(frozen=True)
class Line:
    """One quantity over the epochs; ``style`` is the look that tells it from the other."""

    label: str
    values: Values
    style: str
    in_stages: bool = False
    """Whether each stage begins anew, so that nothing leads from one to the next."""


@dataclass(frozen=True)
class Scene:
    """What the pictures of one job have in common: how long it is, where what was."""

    epochs: int
    """How many the job has, or has had where it ended earlier."""
    stage_starts: dict[str, int]
    """Epochs completed before each stage."""
    interruptions: Sequence[float]
    """Epochs completed before each; a half more inside one."""


def picture(
    title: str, lines: Sequence[Line], scene: Scene, write: Callable[[float], str]
) -> Markup:
    """Return a figure with its legend; a text says the same to those who do not see it."""
    shown = [line for line in lines if any(v is not None for v in line.values)]
    ends = spread(v for line in shown for v in line.values)
    legend = tag("span", (_key(line) for line in shown), class_="legend", aria_hidden="true")
    head = tag("figcaption", tag("b", title), legend)
    if ends is None:
        return tag("figure", head, tag("p", "Not measured yet.", class_="none"), class_="chart")
    across = Axis(0, max(scene.epochs, *(len(line.values) for line in shown), 1), _LEFT, _RIGHT)
    up = Axis(*ends, _BOTTOM, _TOP + 8)
    starts = list(scene.stage_starts.values())
    drawing = tag(
        "svg",
        _grid(across, up, write),
        _stages(scene, across),
        (_drawn(line, across, up, write, starts if line.in_stages else ()) for line in shown),
        _interruptions(scene, across),
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        role="img",
        aria_label=f"{title}: {summary(shown, scene, write)}",
    )
    return tag("figure", head, drawing, class_="chart")


def summary(lines: Sequence[Line], scene: Scene, write: Callable[[float], str]) -> str:
    """Say in words what the picture shows."""
    parts = []
    for line in lines:
        known = [(v, n) for n, v in enumerate(line.values, 1) if v is not None]
        (first, _), (last, at) = known[0], known[-1]
        (low, low_at), (high, high_at) = min(known), max(known)
        parts.append(
            f"{line.label} from {write(first)} to {write(last)} in epoch {at}, lowest "
            f"{write(low)} in epoch {low_at}, highest {write(high)} in epoch {high_at}"
        )
    count = len(scene.interruptions)
    where = ", ".join(f"{mark:g}" for mark in scene.interruptions[:20])
    stops = (
        f"{counted(count, 'interruption')}, after {where} epochs" if count else "no interruption"
    )
    return "; ".join([*parts, stops]) + "."


def _key(line: Line) -> Markup:
    sample = tag("line", x1=0, y1=5, x2=20, y2=5, class_=f"line {line.style}")
    drawn = tag("svg", sample, viewBox="0 0 20 10", width=20, height=10)
    return tag("span", drawn, line.label)


def _grid(across: Axis, up: Axis, write: Callable[[float], str]) -> list[Markup]:
    rows = [
        part
        for tick in up.ticks
        for part in (
            tag("line", x1=_LEFT, x2=_RIGHT, y1=up(tick), y2=up(tick), class_="grid"),
            tag("text", write(tick), x=_LEFT - 6, y=up(tick) + 3.5, text_anchor="end"),
        )
    ]
    columns = [
        tag("text", f"{tick:g}", x=across(tick), y=_BOTTOM + 16, text_anchor="middle")
        for tick in across.ticks
        if tick == int(tick)
    ]
    base = tag("line", x1=_LEFT, x2=_RIGHT, y1=_BOTTOM, y2=_BOTTOM, class_="base")
    return [*rows, *columns, base]


def _stages(scene: Scene, across: Axis) -> list[Markup]:
    parts = []
    for stage, start in list(scene.stage_starts.items())[:8]:
        x = across(start)
        if start:
            parts.append(tag("line", x1=x, x2=x, y1=_TOP - 12, y2=_BOTTOM, class_="stage"))
        parts.append(tag("text", stage[:16], x=x + 4, y=_TOP - 4, class_="stage-name"))
    return parts


def _interruptions(scene: Scene, across: Axis) -> list[Markup]:
    """Draw a dashed line with a diamond on its foot: it is told by its shape as well."""
    parts = []
    for mark in scene.interruptions[:200]:
        x = across(mark)
        diamond = f"M{x} {_BOTTOM - 5}l5 5l-5 5l-5-5z"
        parts.append(
            tag(
                "g",
                tag("title", f"Interrupted after {mark:g} epochs"),
                tag("line", x1=x, x2=x, y1=_TOP, y2=_BOTTOM, class_="stop"),
                tag("path", d=diamond, class_="stop-mark"),
            )
        )
    return parts


def _apart(before: int, after: int, breaks: Sequence[int]) -> bool:
    """Tell whether a break lies between two epochs."""
    return any(before <= start < after for start in breaks)


def _drawn(
    line: Line, across: Axis, up: Axis, write: Callable[[float], str], breaks: Sequence[int]
) -> list[Markup]:
    every = math.ceil(len(line.values) / _MOST_POINTS)
    numbered = list(enumerate(line.values, 1))
    kept = [*numbered[:-1:every], *numbered[-1:]]
    points = [(n, v, across(n), up(v)) for n, v in kept if v is not None and math.isfinite(v)]
    path = " ".join(
        f"{'M' if i == 0 or _apart(points[i - 1][0], n, breaks) else 'L'}{x} {y}"
        for i, (n, _, x, y) in enumerate(points)
    )
    dots = points if len(points) <= _MOST_DOTS else points[-1:]
    return [
        tag("path", d=path, class_=f"line {line.style}"),
        *(
            tag(
                "circle",
                tag("title", f"{line.label}, epoch {n}: {write(v)}"),
                cx=x, cy=y, r=2.6, class_=f"dot {line.style}",
            )
            for n, v, x, y in dots
        ),
    ]  # fmt: skip
