"""report.html: one page that needs nothing but itself."""

from collections.abc import Sequence
from importlib.resources import files

from holdfast.report import sections
from holdfast.report.comparison import Row
from holdfast.report.facts import Facts
from holdfast.report.html import Child, Markup, join, tag
from holdfast.report.job_section import (
    Drawings,
    anchor,
    backbone_section,
    ensemble_figures,
    figure,
)
from holdfast.report.text import counted_names
from holdfast.status import counted

_OF_ALL = ("comparison", "costs", "folds", "roc")
# nothing is fetched and nothing runs, whatever a name has smuggled in
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def render_page(facts: Facts, rows: Sequence[Row], drawings: Drawings) -> Markup:
    """Return the whole page."""
    title = f"Holdfast report: {counted_names(facts.backbones)}"
    parts = [part for part in _parts(facts, rows, drawings) if part[2] is not None]
    style = files("holdfast.report").joinpath("page.css").read_text(encoding="utf-8")
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        tag("style", Markup(style)),
    )
    body = tag(
        "body",
        tag("header", tag("h1", "Comparison of the backbones"), _lead(facts)),
        sections.not_finished(facts),
        _contents(parts, shown_rows(facts, rows)),
        tag("main", [tag("section", tag("h2", name), what, id=id_) for id_, name, what in parts]),
        tag(
            "footer",
            "Made by ",
            tag("code", "holdfast report"),
            "; nothing here is loaded from elsewhere.",
        ),
    )
    return Markup("<!doctype html>\n" + tag("html", head, body, lang="en") + "\n")


def shown_rows(facts: Facts, rows: Sequence[Row]) -> list[Row]:
    """Return those of the backbones that the page shows one by one."""
    names = {job.backbone for job in facts.shown if job.fold is None}
    return [row for row in rows if not row.is_ensemble and row.name in names]


def _lead(facts: Facts) -> Markup:
    when = facts.status.timestamp[:16].replace("T", " ")
    as_of = f", as of {when}" if when else ""
    return tag("p", f"{counted_names(facts.backbones)}, {_standing(facts)}{as_of}.", class_="quiet")


def _standing(facts: Facts) -> str:
    if facts.finished:
        return "trained to completion"
    if facts.only_folds_are_open:
        return f"trained to completion but for {counted(facts.open_folds, 'fold')}"
    return "not complete yet" if len(facts.backbones) == 1 else "not all of them complete yet"


def _parts(
    facts: Facts, rows: Sequence[Row], drawings: Drawings
) -> list[tuple[str, str, Markup | None]]:
    of_all = [figure(drawings.get(name)) for name in _OF_ALL]
    single = shown_rows(facts, rows)
    voted = sections.ensemble(facts)
    return [
        ("summary", "Summary", sections.summary(facts, rows)),
        ("left-out", "What this report lacks", sections.left_out(facts)),
        ("results", "Results", sections.comparison(rows)),
        ("figures", "All backbones beside each other", join(*of_all) or None),
        ("ensemble", "The ensemble", join(voted, ensemble_figures(drawings)) if voted else None),
        ("troubles", "Failures and changes", sections.troubles(facts)),
        ("interruptions", "Interruptions", sections.interruptions(facts)),
        (
            "backbones",
            "Backbone by backbone",
            join(*(backbone_section(facts, row, drawings) for row in single)),
        ),
        ("provenance", "Where this comes from", sections.provenance(facts)),
    ]


def _contents(parts: Sequence[tuple[str, str, Markup | None]], rows: Sequence[Row]) -> Markup:
    links: list[Child] = []
    for id_, name, _ in parts:
        links.append(tag("li", tag("a", name, href=f"#{id_}")))
    single = [tag("li", tag("a", row.name, href=f"#{anchor(row.name)}")) for row in rows]
    return tag(
        "nav",
        tag("b", "Contents"),
        tag("ul", links),
        tag("b", "Backbones"),
        tag("ul", single),
        aria_label="Contents",
    )
