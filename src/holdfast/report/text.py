"""Names, times and numbers as a report writes them."""

from holdfast.report.figures.style import one_line

UNKNOWN = "\N{EN DASH}"


def plain(text: object) -> str:
    """Return text that stands on one line and does nothing: controls become a visible sign."""
    return one_line(str(text))


def of_text(text: str) -> str:
    """Return text that can be encoded, whatever a file's name has brought into it."""
    return text.encode("utf-8", errors="backslashreplace").decode()


def thousands(count: int | None) -> str:
    """Return a count as people read it: 28.6 M, 0.21 M, 940."""
    if count is None:
        return ""
    return f"{count / 1e6:.2f} M" if count >= 10_000 else str(count)


def percent(share: float | None, digits: int = 2) -> str:
    """Return a share as percent; a dash where it is not known."""
    return UNKNOWN if share is None else f"{share:.{digits}%}".replace("%", " %")


def number(value: float | None, digits: int = 4) -> str:
    """Return a number with so many digits; a dash where it is not known."""
    return UNKNOWN if value is None else f"{value:.{digits}f}"


def counted_names(names: list[str]) -> str:
    """Return how many backbones these are, or, of one, its name."""
    return names[0] if len(names) == 1 else f"{len(names)} backbones"
