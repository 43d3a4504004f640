"""A confusion matrix: as a table to read, and as a small picture to compare."""

from collections.abc import Sequence
from typing import Any

from holdfast.dashboard.markup import Markup, breakable, tag

MOST_CLASSES = 40  # that a table or a picture has room for

Matrix = Sequence[Sequence[int]]


def sensible(found: Any) -> Matrix | None:
    """Return a matrix of counts as it stands in a result; None where it is something else."""
    if not isinstance(found, list) or not found:
        return None
    square = all(isinstance(row, list) and len(row) == len(found) for row in found)
    if not square or not all(type(n) is int and n >= 0 for row in found for n in row):
        return None
    return found


def names_for(matrix: Matrix, classes: Sequence[str]) -> list[str]:
    """Return the classes' names, or numbers where the run has not as many."""
    fits = len(classes) == len(matrix)
    return list(classes) if fits else [str(n) for n in range(len(matrix))]


def in_words(matrix: Matrix, names: Sequence[str], most: int = 3) -> str:
    """Say how many were right, and what was taken for what most often."""
    total = sum(map(sum, matrix))
    right = sum(row[n] for n, row in enumerate(matrix))
    worst = mistakes(matrix, names)[:most]
    told = [f"{true} taken for {said} {_times(count)}" for count, true, said in worst]
    return f"{right} of {total} right" + (f"; {', '.join(told)}" if told else "") + "."


def mistakes(matrix: Matrix, names: Sequence[str]) -> list[tuple[int, str, str]]:
    """Return how often which class was taken for which other, most often first."""
    wrong = [
        (count, names[true], names[said])
        for true, row in enumerate(matrix)
        for said, count in enumerate(row)
        if count and true != said
    ]
    return sorted(wrong, key=lambda found: -found[0])


def as_table(matrix: Matrix, names: Sequence[str]) -> Markup:
    """Return the matrix as a table: a row for each true class, a column for what was said."""
    columns = (tag("th", tag("span", name), scope="col", title=name) for name in names)
    head = tag("tr", tag("td", "true \\ said", class_="corner"), columns)
    rows = [
        tag("tr", tag("th", breakable(names[true]), scope="row"), _cells(row, true))
        for true, row in enumerate(matrix)
    ]
    return tag("table", tag("thead", head), tag("tbody", rows), class_="matrix")


def as_picture(matrix: Matrix, names: Sequence[str], title: str) -> Markup:
    """Return the matrix as a small square of shades."""
    size = len(matrix)
    squares = [
        tag("rect", x=said, y=true, width=1, height=1, class_=_kind(true, said),
            fill_opacity=_share(count, row))
        for true, row in enumerate(matrix)
        for said, count in enumerate(row)
        if count
    ]  # fmt: skip
    return tag(
        "svg",
        tag("rect", x=0, y=0, width=size, height=size, class_="blank"),
        squares,
        viewBox=f"0 0 {size} {size}",
        role="img",
        aria_label=f"Confusion matrix of {title}: {in_words(matrix, names)}",
        class_="small-matrix",
    )


def _cells(row: Sequence[int], true: int) -> list[Markup]:
    return [
        tag(
            "td",
            count or tag("span", "0", class_="zero"),
            class_=_kind(true, said),
            style=f"--share:{_share(count, row)}" if count else None,
        )
        for said, count in enumerate(row)
    ]


def _kind(true: int, said: int) -> str:
    return "right" if true == said else "wrong"


def _share(count: int, row: Sequence[int]) -> float:
    """Return how strong a shade is; a single mistake among many is still seen."""
    share: float = count / sum(row)
    return round(0.18 + 0.82 * share, 3)


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")
