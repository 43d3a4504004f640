"""The page *Recovery*: what interruptions have cost and spared, and what a start would do."""

from collections.abc import Sequence

from holdfast.dashboard.markup import Child, Markup, breakable, job_path, join, tag
from holdfast.dashboard.panels import facts, moment, panel, percent, table, ticking, typed
from holdfast.dashboard.reading import Reading
from holdfast.dashboard.timeline import timeline
from holdfast.status import Interruption, duration, resume_lines

_MOST = 200


def recovery_page(reading: Reading, found: Sequence[tuple[str, str]]) -> Markup:
    """Return the page; ``found`` are damaged files that lie in the run itself, with the reason."""
    return join(
        [
            _figures(reading),
            _over_time(reading),
            tag(
                "div",
                _next_start(reading),
                _damaged(reading, found),
                class_="columns",
            ),
            _each(reading),
        ]
    )


def _figures(reading: Reading) -> Markup:
    stops = reading.past.interruptions
    crashes = sum(not stop.asked_for for stop in stops)
    lost = [stop.lost for stop in stops if stop.lost is not None]
    spared = [stop.spared for stop in stops if stop.spared is not None]
    untold = len(stops) - len(lost)
    more = f"{untold} of them not measured" if untold else "trained again after crashes"
    return facts(
        [
            ("Interruptions", str(len(stops)),
             f"{crashes} by a crash, {len(stops) - crashes} asked for"),
            ("Work lost, at most", duration(sum(lost)) if lost else "nothing", more),
            ("Work spared", duration(sum(spared)) if spared else "nothing yet",
             "training that had not to be done again"),
            *_saving(reading),
        ]
    )  # fmt: skip


def _saving(reading: Reading) -> list[tuple[str, Child, Child]]:
    saving = reading.status.saving
    if saving is None:
        return [("Cost of saving", "-", "no checkpoint tells")]
    cost = f"{duration(saving.seconds)} so far in {saving.job}"
    found: list[tuple[str, Child, Child]] = [
        ("Cost of saving", percent(saving.share), f"of the training time: {cost}"),
        ("Saved every", duration(saving.interval), "inside an epoch, and at the end of each"),
    ]
    lost = reading.would_lose
    if lost is not None:
        found.append(("A crash now would lose", ticking(lost), "since the newest file"))
    return found


def _over_time(reading: Reading) -> Markup | None:
    drawn = timeline(reading.past)
    if drawn is None:
        return None
    signs = tag(
        "div",
        tag("span", tag("i", class_="key-span"), "in training"),
        tag("span", tag("i", class_="key-crash"), "went on after a crash"),
        tag("span", tag("i", class_="key-asked"), "after a stop that was asked for"),
        class_="legend",
        aria_hidden="true",
    )
    return panel("Over time", drawn, note=signs)


def _next_start(reading: Reading) -> Markup:
    lines = [line.removeprefix("✓ ") for line in resume_lines(reading.status)]
    return panel("The next start", tag("ol", (tag("li", line) for line in lines), class_="lines"))


def _damaged(reading: Reading, found: Sequence[tuple[str, str]]) -> Markup:
    rows = [
        tag("li", tag("code", name), tag("span", reason))
        for name, reason in [
            *((name, f"{reason} (the next start sets it aside)") for name, reason in found),
            *(
                (name, reading.reasons.get(name, "the reason is beside it"))
                for name in reading.status.damaged[:_MOST]
            ),
        ]
    ]
    hidden = len(reading.status.damaged) - _MOST
    more = tag("p", f"And {hidden} more in damaged/.", class_="none") if hidden > 0 else None
    none = "None was set aside, and none is known. ", typed("holdfast verify"), " reads every byte."
    body: Child = tag("ul", rows, class_="lines damaged") if rows else tag("p", none, class_="none")
    return tag("div", panel("Damaged files", body, more), id="damaged")


def _each(reading: Reading) -> Markup:
    stops = reading.past.interruptions[::-1]
    if not stops:
        return panel("Interruptions", tag("p", "None so far.", class_="none"))
    heads = [("Went on", ""), ("Job", ""), ("At", ""), ("Ended by", "aside"), ("Lost", "number")]
    shown = table(
        "Interruptions, the newest first", [*heads, ("Spared", "number")], map(_row, stops[:_MOST])
    )
    hidden = len(stops) - _MOST
    more = tag("p", f"And {hidden} earlier ones.", class_="none") if hidden > 0 else None
    return panel(
        "Interruptions", shown, more, note="Lost: at most. Who is asked to stop saves first."
    )


def _row(stop: Interruption) -> Markup:
    return tag(
        "tr",
        tag("td", moment(stop.time)),
        tag("th", tag("a", breakable(stop.job), href=job_path(stop.job)), scope="row"),
        tag("td", str(stop.position)),
        tag("td", "a request" if stop.asked_for else "a crash", class_="aside"),
        tag("td", _seconds(stop.lost), class_="number"),
        tag("td", _seconds(stop.spared), class_="number"),
    )


def _seconds(value: float | None) -> str:
    return "unknown" if value is None else duration(value) if value else "0 s"
