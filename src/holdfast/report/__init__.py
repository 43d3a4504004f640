"""The comparison on paper: one page, its figures and tables; needs matplotlib."""

from holdfast.report.facts import Ensemble, Facts, Scores, gather
from holdfast.report.writing import write_report

__all__ = ["Ensemble", "Facts", "Scores", "gather", "write_report"]
