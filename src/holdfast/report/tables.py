"""The comparison as files for other programs: CSV, JSON, Markdown, LaTeX."""

import csv
import io
import json
from collections.abc import Callable, Sequence
from typing import Any

from holdfast import __version__
from holdfast.report.comparison import TIME, Row, best
from holdfast.report.facts import Facts
from holdfast.report.text import of_text, plain, thousands
from holdfast.status import clock, finite

_COLUMNS: dict[str, Callable[[Row], Any]] = {
    "backbone": lambda row: row.name,
    "state": lambda row: row.state,
    "accuracy": lambda row: row.accuracy,
    "accuracy_low": lambda row: row.interval and row.interval[0],
    "accuracy_high": lambda row: row.interval and row.interval[1],
    "precision": lambda row: row.precision,
    "recall": lambda row: row.recall,
    "f1": lambda row: row.f1,
    "roc_auc": lambda row: row.roc_auc,
    "loss": lambda row: row.loss,
    "fold_mean": lambda row: row.fold_mean,
    "fold_std": lambda row: row.fold_deviation,
    "folds_complete": lambda row: len(row.fold_scores),
    "folds": lambda row: row.folds,
    "seconds": lambda row: row.seconds,
    "parameters": lambda row: row.parameters,
    "interruptions": lambda row: row.interruptions,
    "changed_in_training": lambda row: row.changed,
}


def as_csv(rows: Sequence[Row]) -> str:
    """Return a line for each row under one of headings; numbers are whole, unknown is empty."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for row in rows:
        writer.writerow([_cell(get(row)) for get in _COLUMNS.values()])
    return out.getvalue()


def as_json(facts: Facts, rows: Sequence[Row]) -> str:
    """Return all that was measured, by the letter of JSON: what is not finite is null."""
    status, ensemble = facts.status, facts.ensemble
    whole = {
        "run_id": facts.run_id,
        "holdfast": __version__,
        "as_of": status.timestamp,
        "finished": facts.finished,
        "stages": status.stages,
        "classes": status.classes,
        "machine": facts.record.get("machine", {}),
        "data": facts.record.get("data", {}),
        "comparison": [{name: get(row) for name, get in _COLUMNS.items()} for row in rows],
        "ensemble": {"weights": dict(ensemble.weights), **ensemble.result} if ensemble else None,
        "jobs": [
            {
                "job": job.job,
                "state": job.state,
                "seconds": job.seconds,
                "interruptions": job.interruptions,
                "error": job.error,
                "result": job.result,
            }
            for job in status.jobs
        ],
        "left_out": list(facts.left_out),
    }
    return of_text(json.dumps(finite(whole), indent=2, ensure_ascii=False, allow_nan=False)) + "\n"


def as_markdown(rows: Sequence[Row]) -> str:
    """Return the table as a page of Markdown shows it; the best single accuracies are bold."""
    heads, bold = _paper_heads(), best(rows)
    lines = [f"| {' | '.join(heads)} |", f"| --- |{' ---: |' * (len(heads) - 1)}"]
    lines += [
        f"| {' | '.join(_bold(cells, '**', '**') if row in bold else cells)} |"
        for row in rows
        for cells in [_paper_cells(row, escape_markdown, " ± ")]
    ]
    return "\n".join([*lines, *_paper_notes(rows, "\n")]) + "\n"


def as_latex(rows: Sequence[Row]) -> str:
    """Return the table for LaTeX with booktabs; the best single accuracies are bold."""
    heads, bold = [escape_latex(head) for head in _paper_heads()], best(rows)
    lines = [
        "% needs \\usepackage{booktabs}",
        f"\\begin{{tabular}}{{l{'r' * (len(heads) - 1)}}}",
        "\\toprule",
        " & ".join(heads) + r" \\",
        "\\midrule",
    ]
    for row in rows:
        if row.is_ensemble:
            lines.append("\\midrule")
        cells = _paper_cells(row, escape_latex, r" $\pm$ ")
        lines.append(" & ".join(_bold(cells, r"\textbf{", "}") if row in bold else cells))
        lines[-1] += r" \\"
    notes = [f"% {note}" for note in _paper_notes(rows, "")]
    return "\n".join([*lines, "\\bottomrule", "\\end{tabular}", *notes]) + "\n"


def escape_markdown(text: str) -> str:
    """Return text that Markdown shows as it is, in a cell of a table."""
    return "".join(f"\\{char}" if char in r"\`*_[]<>|~&$" else char for char in plain(text))


_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    **{char: f"\\{char}" for char in "&%$#_{}"},
}


def escape_latex(text: str) -> str:
    """Return text that LaTeX sets as it is."""
    return "".join(_LATEX.get(char, char) for char in plain(text))


def _paper_heads() -> list[str]:
    return ["Backbone", "Accuracy", "F1", "ROC AUC", "Folds", "Parameters", TIME]


def _paper_cells(row: Row, escape: Callable[[str], str], plus_minus: str) -> list[str]:
    folds = "" if row.fold_mean is None else f"{row.fold_mean:.3f}"
    if row.fold_deviation is not None:
        folds += f"{plus_minus}{row.fold_deviation:.3f}"
    return [
        escape(row.name) + ("*" if row.changed else ""),
        escape(row.state) if row.accuracy is None else f"{row.accuracy:.4f}",
        "" if row.f1 is None else f"{row.f1:.4f}",
        "" if row.roc_auc is None else f"{row.roc_auc:.4f}",
        folds,
        thousands(row.parameters),
        clock(row.seconds),
    ]


def _bold(cells: list[str], before: str, after: str) -> list[str]:
    return [cells[0], f"{before}{cells[1]}{after}", *cells[2:]]


def _paper_notes(rows: Sequence[Row], gap: str) -> list[str]:
    marked = any(row.changed for row in rows)
    text = "settings or data changed in training: not what an undisturbed run gives"
    return [f"{gap}\\* {text}" if gap else f"* {text}"] if marked else []


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else repr(value) if isinstance(value, float) else value
