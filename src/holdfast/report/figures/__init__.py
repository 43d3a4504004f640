"""The figures of a report: plain arrays in, SVG and PNG out; needs matplotlib, nothing else."""

from holdfast.report.figures.comparison import (
    MOST_ENTRIES,
    Entry,
    draw_comparison,
    draw_costs,
    draw_folds,
)
from holdfast.report.figures.confusion import draw_confusion, shares_of_rows
from holdfast.report.figures.curves import Course, Panel, draw_curves
from holdfast.report.figures.roc import RocLine, draw_roc, draw_roc_of_all
from holdfast.report.figures.style import BLUE, GRID, INK, MUTED, PAPER, Drawn, drawn

__all__ = [
    "BLUE",
    "Course",
    "Drawn",
    "Entry",
    "GRID",
    "INK",
    "MOST_ENTRIES",
    "MUTED",
    "PAPER",
    "Panel",
    "RocLine",
    "draw_comparison",
    "draw_confusion",
    "draw_costs",
    "draw_curves",
    "draw_folds",
    "draw_roc",
    "draw_roc_of_all",
    "drawn",
    "shares_of_rows",
]
