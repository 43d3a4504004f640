"""The comparison on paper: one page, its figures and tables; needs matplotlib."""

from holdfast.report.facts import Ensemble, Facts, Scores, gather
from holdfast.report.predicting import with_predictions, without_predictions
from holdfast.report.writing import Written, write_report

__all__ = [
    "Ensemble",
    "Facts",
    "Scores",
    "Written",
    "gather",
    "with_predictions",
    "without_predictions",
    "write_report",
]
