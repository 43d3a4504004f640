"""write_report: from a run's directory to the files of its report."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from holdfast.report.comparison import Row, compare
from holdfast.report.drawings import Drawing, draw, plan_drawings
from holdfast.report.facts import Facts
from holdfast.report.output import FIGURES, PAGE, write_all
from holdfast.report.page import render_page
from holdfast.report.parameters import count_all
from holdfast.report.tables import as_csv, as_json, as_latex, as_markdown

OnProgress = Callable[[str, int, int], None]
"""Told what is done, how much of it, and of how much."""


@dataclass(frozen=True)
class Written:
    """What a report has come to."""

    page: Path
    figures: int
    left_out: Sequence[str]
    """What it lacks, each with its reason."""


def write_report(facts: Facts, out: Path, on_progress: OnProgress = lambda *_: None) -> Written:
    """Draw and write everything below ``out``.

    The same facts give the same bytes.

    Raises:
        StorageError: the disk refused; the report that was there stands.
    """
    facts = _completed(facts)
    rows = compare(facts)
    plans = plan_drawings(facts, rows)
    drawings: dict[str, Drawing] = {}
    for done, plan in enumerate(plans):
        on_progress("Drawing", done, len(plans))
        drawings[plan[0]] = draw(plan)
    on_progress("Drawing", len(plans), len(plans))
    write_all(out, _contents(facts, rows, list(drawings.values())))
    return Written(out / PAGE, len(drawings), facts.left_out)


def _contents(facts: Facts, rows: Sequence[Row], drawings: Sequence[Drawing]) -> dict[str, bytes]:
    texts = {
        PAGE: render_page(facts, rows, {drawing.name: drawing for drawing in drawings}),
        "results.csv": as_csv(rows),
        "results.json": as_json(facts, rows),
        "results.md": as_markdown(rows),
        "results.tex": as_latex(rows),
    }
    contents = {name: text.encode() for name, text in texts.items()}
    for drawing in drawings:
        contents[f"{FIGURES}/{drawing.name}.svg"] = drawing.drawn.svg
        contents[f"{FIGURES}/{drawing.name}.png"] = drawing.drawn.png
    return contents


def _completed(facts: Facts) -> Facts:
    found, reason = count_all(facts.backbones, facts.record, len(facts.status.classes))
    more = [reason] if reason else []
    if len(facts.shown) < len(facts.status.jobs):
        of, shown = len(facts.status.jobs), len(facts.shown)
        more.append(f"figures of {of - shown} of {of} jobs: the first {shown} have theirs")
    return replace(facts, parameters=found, left_out=[*facts.left_out, *more])
