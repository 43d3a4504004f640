"""What several pages are put together from: panels, figures with their names, states, bars."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from holdfast.dashboard.markup import Child, Markup, breakable, job_path, tag
from holdfast.dashboard.reading import Reading
from holdfast.status import COMPLETE, FAILED, MARKS, PENDING, STARTED, JobStatus, duration

WORDS = {COMPLETE: "complete", FAILED: "failed", STARTED: "begun", PENDING: "pending"}


def typed(command: str) -> Markup:
    """Return what is to be typed in a terminal."""
    return tag("code", command)


def panel(title: str, *children: Child, note: Child = None, class_: str = "") -> Markup:
    """Return a part of a page with its heading."""
    head = tag("header", tag("h2", title), tag("div", note) if note else None)
    return tag("section", head, *children, class_=f"panel {class_}".strip())


def facts(found: Iterable[tuple[str, Child, Child]]) -> Markup:
    """Return figures in a row: each has a name, and something smaller below it."""
    return tag(
        "dl",
        (
            tag("div", tag("dt", name), tag("dd", value), tag("dd", more, class_="more"))
            for name, value, more in found
        ),
        class_="facts",
    )


def table(caption: str, heads: Sequence[tuple[Child, str]], rows: Iterable[Markup]) -> Markup:
    """Return a table; ``heads`` are the columns' titles with their classes."""
    titles = (tag("th", title, scope="col", class_=look or None) for title, look in heads)
    return tag(
        "div",
        tag(
            "table",
            tag("caption", caption),
            tag("thead", tag("tr", titles)),
            tag("tbody", rows),
        ),
        class_="scroll",
        role="region",
        aria_label=caption,
        tabindex=0,
    )


def state_sign(job: JobStatus) -> Markup:
    """Return a job's state as a sign and a word."""
    sign = tag("span", MARKS[job.state], class_="sign", aria_hidden="true")
    return tag("span", sign, WORDS.get(job.state, job.state), class_=f"state {job.state}")


def job_link(job: JobStatus) -> Markup:
    """Return a link to a job's page, the fold apart from the backbone."""
    fold = tag("span", f" fold {job.fold}", class_="fold") if job.fold is not None else None
    return tag("a", breakable(job.backbone), fold, href=job_path(job.job))


def bar(share: float, label: str) -> Markup:
    """Return how much of something is done."""
    width = f"{100 * min(max(share, 0.0), 1.0):.1f}%"
    return tag(
        "span", tag("span", style=f"width:{width}"), class_="bar", role="img", aria_label=label
    )


def age(since: datetime, now: datetime | None = None) -> Markup:
    """Return how long ago something was; the page counts on by itself."""
    seconds = max(((now or datetime.now()) - since).total_seconds(), 0.0)
    return ticking(seconds, " ago")


def ticking(seconds: float, after: str = "") -> Markup:
    """Return a time that has passed and goes on passing."""
    text = f"{duration(seconds)}{after}"
    return tag("time", text, data_age=round(seconds, 1), data_after=after or None)


def moment(time: datetime | None) -> str:
    """Return a moment as people write it."""
    return time.strftime("%Y-%m-%d %H:%M:%S") if time else "unknown"


def score(job: JobStatus, name: str = "final_accuracy") -> float | None:
    """Return a finite number of a job's result."""
    value = job.score(name)
    return float(value) if value is not None and -1e300 < value < 1e300 else None


def percent(value: float) -> str:
    """Return a share as a percentage; a training watches the first decimal."""
    return f"{100 * value:.1f} %"


def quantity(value: float) -> str:
    """Return a number as short as it can be told."""
    return f"{value:.3g}"


def troubles(reading: Reading, trouble: str) -> Markup | None:
    """Say what is wrong with what is shown; nothing where nothing is."""
    lines: list[Child] = []
    if trouble:
        told = f"Read last at {moment(reading.time)}; since then: {trouble}"
        lines.append(tag("p", tag("b", "Not up to date. "), told))
    for name, reason in reading.faults.items():
        lines.append(tag("p", tag("b", f"{name}: "), f"{reason}. The next start rebuilds it."))
    if not lines:
        return None
    return tag("div", lines, class_="trouble", role="status")
