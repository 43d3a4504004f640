"""A picture of one quantity against another, with a name at each point that has room for one."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from holdfast.dashboard.axes import Axis, spread
from holdfast.dashboard.markup import Markup, tag
from holdfast.dashboard.panels import table

_SIZES = {"broad": (580, 330), "narrow": (350, 300)}
_LEFT, _RIGHT, _TOP, _BOTTOM = 50, 14, 12, 26
_LETTER, _LINE = 6.1, 12.0  # roughly the size of a letter of the names


@dataclass(frozen=True)
class Point:
    """A point with its name."""

    name: str
    x: float
    """Above 0: this axis is logarithmic."""
    y: float


Box = tuple[float, float, float, float]


def scatter(
    title: str,
    points: Sequence[Point],
    write_x: Callable[[float], str],
    write_y: Callable[[float], str],
    marked: Sequence[float] = (),
) -> Markup:
    """Return the picture for broad and for narrow pages, and the same as a table."""
    said = _summary(title, points, write_x, write_y)
    pictures = (
        _drawn(points, look, size, write_x, write_y, said, marked) for look, size in _SIZES.items()
    )
    ordered = sorted(points, key=lambda point: point.x)
    rows = [
        tag(
            "tr",
            tag("th", point.name, scope="row"),
            tag("td", write_x(point.x), class_="number"),
            tag("td", write_y(point.y), class_="number"),
        )
        for point in ordered
    ]
    heads = [("Backbone", ""), (title.partition(" by ")[2].capitalize(), "number")]
    shown = table(title, [*heads, ("Accuracy", "number")], rows)
    words = tag("summary", "The same as a table")
    return tag("div", pictures, tag("details", words, shown), class_="scatter")


def _summary(
    title: str,
    points: Sequence[Point],
    write_x: Callable[[float], str],
    write_y: Callable[[float], str],
) -> str:
    best, least = max(points, key=lambda p: p.y), min(points, key=lambda p: p.x)
    return (
        f"{title} of {len(points)} backbones: the best is {best.name} with {write_y(best.y)} at "
        f"{write_x(best.x)}; the least is {least.name} with {write_x(least.x)} at "
        f"{write_y(least.y)}."
    )


def _drawn(
    points: Sequence[Point],
    look: str,
    size: tuple[int, int],
    write_x: Callable[[float], str],
    write_y: Callable[[float], str],
    said: str,
    marked: Sequence[float],
) -> Markup:
    width, height = size
    low, high = min(p.x for p in points) * 0.8, max(p.x for p in points) * 1.25
    across = Axis(low, high, _LEFT, width - _RIGHT, logarithmic=True, marked=marked)
    ends = spread((point.y for point in points), 0.08) or (0.0, 1.0)
    up = Axis(*ends, height - _BOTTOM, _TOP)
    return tag(
        "svg",
        _grid(across, up, size, write_x, write_y),
        (_dot(point, across, up, write_x, write_y) for point in points),
        _names(points, across, up, size),
        viewBox=f"0 0 {width} {height}",
        role="img",
        aria_label=said,
        class_=look,
    )


def _grid(
    across: Axis,
    up: Axis,
    size: tuple[int, int],
    write_x: Callable[[float], str],
    write_y: Callable[[float], str],
) -> Iterator[Markup]:
    width, height = size
    for tick in up.ticks:
        y = up(tick)
        yield tag("line", x1=_LEFT, x2=width - _RIGHT, y1=y, y2=y, class_="grid")
        yield tag("text", write_y(tick), x=_LEFT - 7, y=y + 3.5, text_anchor="end")
    for tick in across.ticks:
        x = across(tick)
        yield tag("line", x1=x, x2=x, y1=_TOP, y2=height - _BOTTOM, class_="grid")
        yield tag("text", write_x(tick), x=x, y=height - 8, text_anchor="middle")


def _dot(
    point: Point,
    across: Axis,
    up: Axis,
    write_x: Callable[[float], str],
    write_y: Callable[[float], str],
) -> Markup:
    told = tag("title", f"{point.name}: {write_y(point.y)}, {write_x(point.x)}")
    return tag("circle", told, cx=across(point.x), cy=up(point.y), r=4.5, class_="point")


def _names(
    points: Sequence[Point], across: Axis, up: Axis, size: tuple[int, int]
) -> Iterator[Markup]:
    """Write a name beside each point where it covers nothing; the best points come first."""
    taken: list[Box] = [
        (across(p.x) - 5, up(p.y) - 5, across(p.x) + 5, up(p.y) + 5) for p in points
    ]
    for point in sorted(points, key=lambda p: -p.y):
        x, y = across(point.x), up(point.y)
        name = point.name[:24]
        wide = len(name) * _LETTER
        for anchor, dx, dy in (
            ("start", 8, 4), ("end", -8, 4), ("middle", 0, -9), ("middle", 0, 17),
            ("start", 6, -6), ("start", 6, 14), ("end", -6, -6), ("end", -6, 14),
        ):  # fmt: skip
            left = x + dx - {"start": 0.0, "middle": wide / 2, "end": wide}[anchor]
            box = (left, y + dy - _LINE + 3, left + wide, y + dy + 3)
            inside = box[0] > _LEFT and box[2] < size[0] and box[1] > 0 and box[3] < size[1] - 20
            if inside and not any(_meet(box, other) for other in taken):
                taken.append(box)
                yield tag("text", name, x=x + dx, y=y + dy, text_anchor=anchor, class_="name")
                break


def _meet(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
