"""The page *Series*: how the whole run stands, and each of its jobs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from holdfast.dashboard.markup import Child, Markup, join, tag
from holdfast.dashboard.panels import bar, facts, job_link, panel, score, state_sign, ticking, typed
from holdfast.dashboard.reading import Reading
from holdfast.status import (
    COMPLETE,
    FAILED,
    PENDING,
    STARTED,
    JobStatus,
    Status,
    counted,
    duration,
    human_bytes,
)

MOST_ROWS = 200
_RANK = {STARTED: 0, FAILED: 1, PENDING: 2, COMPLETE: 3}

Key = Callable[[Reading, JobStatus], float | str | None]


@dataclass(frozen=True)
class Column:
    """A column of the table: what it is called, and what it is sorted by."""

    title: str
    key: Key
    look: str = ""
    best_first: bool = False
    """Whether the greatest comes first where one asks for this order."""


COLUMNS = {
    "state": Column("State", lambda _, job: _RANK.get(job.state, 9)),
    "backbone": Column("Backbone", lambda _, job: job.job.lower()),
    "progress": Column("Progress", lambda reading, job: _done(reading, job), "wide", True),
    "accuracy": Column("Accuracy", lambda _, job: score(job), "number", True),
    "f1": Column("F1", lambda _, job: score(job, "f1"), "number aside", True),
    "stops": Column("Interrupted", lambda _, job: job.interruptions or None, "number aside", True),
    "time": Column("Time", lambda _, job: job.seconds or None, "number aside", True),
}


@dataclass(frozen=True)
class Order:
    """What a viewer has asked for: by which column, which way, and which jobs."""

    column: str = ""
    """Empty: the order of training."""
    downwards: bool = False
    only: str = ""
    """A part of the names of the jobs to show, or their state."""

    def asked(self, column: str) -> "Order":
        """Return the order after a column's title was pressed: its way, the other, none."""
        first = COLUMNS[column].best_first
        if column != self.column:
            return Order(column, first, self.only)
        if self.downwards == first:
            return Order(column, not first, self.only)
        return Order(only=self.only)


def series_page(reading: Reading, order: Order) -> Markup:
    """Return the page."""
    jobs = [job for job in reading.status.jobs if _is_wanted(job, order.only)]
    return join([_summary(reading), _jobs(reading, _in_order(reading, jobs, order), order)])


def _in_order(reading: Reading, jobs: list[JobStatus], order: Order) -> list[JobStatus]:
    """Sort jobs; those that have nothing to sort by come last, whichever way."""
    if not order.column:
        return jobs
    key = COLUMNS[order.column].key
    keyed: list[tuple[Any, JobStatus]] = [(key(reading, job), job) for job in jobs]
    known = [one for one in keyed if one[0] is not None]
    known.sort(key=lambda one: one[0], reverse=order.downwards)
    return [job for _, job in [*known, *(one for one in keyed if one[0] is None)]]


def _summary(reading: Reading) -> Markup:
    status = reading.status
    folds = [job for job in status.jobs if job.fold is not None]
    done = sum(job.state == COMPLETE for job in folds)
    whole = bar(
        status.completed / max(status.total_backbones, 1),
        f"{status.completed} of {status.total_backbones} backbones complete",
    )
    of = tag("span", f" of {counted(status.total_backbones, 'backbone')}", class_="of")
    more = f"{status.remaining} remaining"
    more += f" · {done} of {counted(len(folds), 'fold')} complete" if folds else ""
    found: list[tuple[str, Child, Child]] = [
        ("Complete", [str(status.completed), of], [whole, more]),
        ("In training", *_training(status)),
        ("Time left", *_left(reading)),
        ("A crash now would lose", *_at_risk(reading)),
        ("On disk", human_bytes(status.bytes), counted(len(reading.files), "file")),
        ("Damaged files", *_damaged(reading)),
    ]
    return facts(found)


def _training(status: Status) -> tuple[Child, Child]:
    if status.training is None:
        if status.remaining or any(job.state != COMPLETE for job in status.jobs):
            return "nobody", [typed("holdfast train"), " goes on"]
        return "nothing", "all is complete"
    begun = [job for job in status.jobs if job.state == STARTED]
    names: list[Child] = [tag("span", job_link(job), class_="name") for job in begun[:2]]
    more = f"and {len(begun) - 2} more" if len(begun) > 2 else where(begun[0]) if begun else ""
    return (names or status.next_backbone or "begins"), more or "no checkpoint yet"


def _left(reading: Reading) -> tuple[Child, Child]:
    if all(job.state == COMPLETE for job in reading.status.jobs):
        return "none", f"{duration(sum(j.seconds for j in reading.status.jobs))} of training"
    if reading.left is None:
        return "not known yet", "after the first epochs"
    return f"about {duration(reading.left)}", "by what was measured so far"


def _at_risk(reading: Reading) -> tuple[Child, Child]:
    saving, lost = reading.status.saving, reading.would_lose
    if saving is None or lost is None:
        return "nothing", "nobody trains" if reading.status.training is None else "nothing is begun"
    return ticking(lost), f"saved every {duration(saving.interval)} or less"


def _damaged(reading: Reading) -> tuple[Child, Child]:
    count = len(reading.status.damaged)
    if not count:
        return "none", "set aside so far"
    return tag(
        "a", str(count), href="/recovery#damaged", class_="bad"
    ), "set aside, with the reason"


def _jobs(reading: Reading, jobs: list[JobStatus], order: Order) -> Markup:
    rows = [_row(reading, job) for job in jobs[:MOST_ROWS]]
    hidden = len(jobs) - len(rows)
    heads = (_head(key, column, order) for key, column in COLUMNS.items())
    caption = "Every job, with its state, progress and result"
    body = tag(
        "table",
        tag("caption", caption),
        tag("thead", tag("tr", heads)),
        tag("tbody", rows),
        class_="jobs",
    )
    remark = None
    if hidden:
        remark = f"The first {MOST_ROWS} of {len(jobs)} are shown; narrow them down above."
    elif not jobs:
        remark = "No job has this name or state." if order.only else "No run is recorded here yet."
    said = tag("p", remark, class_="none", role="status") if remark else None
    return panel("Jobs", body, said, note=_narrowing(order))


def _narrowing(order: Order) -> Markup:
    field = tag(
        "input", type="search", data_act="only", value=order.only, maxlength=100,
        placeholder="name or state", autocomplete="off", spellcheck="false",
    )  # fmt: skip
    return tag("label", tag("span", "Show"), field, class_="narrowing")


def _head(key: str, column: Column, order: Order) -> Markup:
    chosen = key == order.column
    way = ("descending" if order.downwards else "ascending") if chosen else None
    arrow = ("↓" if order.downwards else "↑") if chosen else "↕"
    button = tag(
        "button",
        column.title,
        tag("span", arrow, class_="arrow", aria_hidden="true"),
        type="button",
        data_act=f"sort:{key}",
        data_key=f"sort:{key}",
    )
    return tag("th", button, scope="col", aria_sort=way, class_=column.look or None)


def _row(reading: Reading, job: JobStatus) -> Markup:
    accuracy, f1 = score(job), score(job, "f1")
    changed = (
        tag("span", "*", title="settings or data changed in training") if job.changed else None
    )
    cells = [
        tag("td", state_sign(job)),
        tag("th", job_link(job), scope="row"),
        tag("td", _progress(reading, job), class_="wide"),
        tag("td", f"{accuracy:.4f}" if accuracy is not None else "", changed, class_="number"),
        tag("td", f"{f1:.4f}" if f1 is not None else "", class_="number aside"),
        tag("td", str(job.interruptions or ""), class_="number aside"),
        tag("td", duration(job.seconds) if job.seconds else "", class_="number aside"),
    ]
    return tag("tr", cells, class_=job.state, data_key=job.job)


def _progress(reading: Reading, job: JobStatus) -> Child:
    if job.state == FAILED:
        return tag("span", (job.error or "")[:160], class_="error")
    if job.state == STARTED:
        return [
            bar(_done(reading, job) or 0.0, where(job)),
            tag("span", where(job), class_="where"),
        ]
    curve = reading.past.curves.get(job.job)
    if job.state == COMPLETE and curve:
        return tag("span", counted(len(curve.rows), "epoch"), class_="faint")
    return None


def where(job: JobStatus) -> str:
    """Say where a job in training stands, as far as its newest checkpoint goes."""
    of = f" of {job.epochs}" if job.epochs else ""
    step = f", step {job.step}" if job.step else ""
    return f"{job.stage} epoch {job.epoch}{of}{step}"


def _done(reading: Reading, job: JobStatus) -> float | None:
    """Return the share of its epochs that a job has done; None where it has not begun."""
    if job.state == COMPLETE:
        return 1.0
    if job.state == PENDING or job.stage is None:
        return None
    stages = reading.status.stages
    names = list(stages)
    before = names[: names.index(job.stage)] if job.stage in names else []
    done = sum(stages[name] for name in before) + (job.epoch or 0)
    return min(done / (sum(stages.values()) or 1), 1.0)


def _is_wanted(job: JobStatus, only: str) -> bool:
    text = only.strip().lower()
    return text in job.job.lower() or text == job.state
