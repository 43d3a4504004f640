"""One style for every figure, and the way from a figure to bytes that are always the same.

Figures are made by matplotlib's objects, without pyplot: nothing is kept between two of them, and
no display is asked for.
"""

import io
import logging
import unicodedata
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ParamSpec

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from matplotlib.transforms import BboxBase

Given = ParamSpec("Given")

INK, MUTED, GRID, PAPER = "#1f2328", "#59636e", "#d8dee4", "#ffffff"
# Okabe and Ito, "Color Universal Design" (2008): told apart with any kind of colour vision
BLUE, VERMILION, GREEN, PURPLE = "#0072b2", "#d55e00", "#009e73", "#cc79a7"
ORANGE, SKY = "#e69f00", "#56b4e9"
COLOURS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY)
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
WIDTH = 7.0
"""Inches across: the text of a page with one column."""
DPI = 200
_MARGIN = 0.05  # inches

_FONTS = ("DejaVu Sans", "Verdana", "Arial", "Helvetica")  # the widest first: none is cut off
_STYLE: dict[str, Any] = {
    "font.family": ["sans-serif"],
    "font.sans-serif": list(_FONTS),
    "font.size": 8.0,
    "axes.titlesize": 9.0,
    "axes.labelsize": 8.0,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "text.color": INK,
    "text.parse_math": False,  # a class may have a dollar in its name
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.unicode_minus": False,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "lines.linewidth": 1.5,
    "lines.markersize": 4.0,
    "figure.dpi": DPI,  # text is as wide when it is laid out as when it is drawn
    "text.hinting": "no_hinting",
    "figure.facecolor": PAPER,
    "axes.facecolor": PAPER,
    "svg.fonttype": "none",  # text stays text: it can be searched and copied
    "svg.hashsalt": "holdfast",
}
_BACKENDS = {"backend", "backend_fallback", "interactive", "toolbar"}


@dataclass(frozen=True)
class Drawn:
    """A figure as two files."""

    svg: bytes
    png: bytes


def drawn(draw: Callable[Given, Figure], *args: Given.args, **kwargs: Given.kwargs) -> Drawn:
    """Return what ``draw`` draws, in this style whatever matplotlib is told elsewhere."""
    settings: Any = {k: v for k, v in mpl.rcParamsDefault.items() if k not in _BACKENDS}
    settings |= _STYLE
    fonts = logging.getLogger("matplotlib.font_manager")
    level = fonts.level
    fonts.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), mpl.rc_context(settings):
            # a name in a script that the font lacks; in the SVG it is text, and whole
            warnings.filterwarnings("ignore", message="Glyph .* missing from font")
            figure = draw(*args, **kwargs)
            figure.draw_without_rendering()  # lays it out, once for both
            figure.set_layout_engine("none")
            edge = figure.get_tightbbox().padded(_MARGIN)
            return Drawn(_saved(figure, "svg", edge), _saved(figure, "png", edge))
    finally:
        fonts.setLevel(level)


def _saved(figure: Figure, kind: str, edge: BboxBase) -> bytes:
    out = io.BytesIO()
    unsaid = {"svg": {"Date": None, "Creator": None}, "png": {"Software": None}}[kind]
    figure.savefig(out, format=kind, dpi=DPI, metadata=unsaid, bbox_inches=edge)
    return out.getvalue()


def legible(name: str, most: int = 40) -> str:
    """Return a name as a figure can show it: on one line, no longer than ``most`` characters."""
    kept = one_line(name)
    if len(kept) <= most:
        return kept
    return f"{kept[: most * 2 // 3]}…{kept[-(most - most * 2 // 3 - 1) :]}"


def one_line(text: str) -> str:
    """Return text that stands on one line and does nothing: controls become a visible sign."""
    return "".join(char if _is_legible(char) else "\N{REPLACEMENT CHARACTER}" for char in text)


def _is_legible(char: str) -> bool:
    """Tell whether a character stands for itself: no control, no half of a pair, no direction."""
    return unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def percent_axis(axis: Axis) -> None:
    """Let an axis of shares say percent, with no more digits than it takes."""
    axis.set_major_formatter(FuncFormatter(lambda share, _: f"{round(100 * share, 6):g} %"))


def rows_axes(axes: Axes, names: list[str]) -> None:
    """Give each name a row, the first on top."""
    axes.set_yticks(range(len(names)), [legible(name) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
