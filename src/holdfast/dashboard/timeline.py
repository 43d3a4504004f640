"""When each job was in training, and when it was interrupted: a row for each job."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from holdfast.dashboard.axes import Axis
from holdfast.dashboard.markup import Markup, tag
from holdfast.rundir import JobName
from holdfast.status import Interruption, Past, counted, duration

MOST_ROWS = 40
_STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 21_600, 43_200,
          86_400, 172_800, 604_800, 2_592_000, 31_536_000]  # fmt: skip


def timeline(past: Past) -> Markup | None:
    """Return the picture; None where the journal tells no time. A table beside it has it all."""
    spans = _spans(past)
    if not spans:
        return None
    begin = min(first for first, _ in spans.values())
    end = max(last for _, last in spans.values())
    across = Axis(begin.timestamp(), max(end.timestamp(), begin.timestamp() + 1), 0, 100)
    rows = list(spans)[-MOST_ROWS:]
    stops: dict[str, list[Interruption]] = {}
    for stop in past.interruptions:
        stops.setdefault(stop.job, []).append(stop)
    said = (
        f"{counted(len(spans), 'job')} in training from {begin:%Y-%m-%d %H:%M} to "
        f"{end:%Y-%m-%d %H:%M}, with {counted(len(past.interruptions), 'interruption')}; the table "
        "of interruptions has each of them."
    )
    return tag(
        "div",
        (_row(job, spans[job], stops.get(job, []), across) for job in rows),
        _clock(begin, end, across),
        class_="timeline",
        role="img",
        aria_label=said,
    )


def _spans(past: Past) -> dict[str, tuple[datetime, datetime]]:
    """Return from when to when each job has ended epochs or been taken up, by the first."""
    times: dict[str, list[datetime]] = {}
    for job, curve in past.curves.items():
        times.setdefault(job, []).extend(time for time in curve.times if time)
    for stop in past.interruptions:
        times.setdefault(stop.job, []).append(stop.time)
    found = {job: (min(mine), max(mine)) for job, mine in times.items() if mine}
    return dict(sorted(found.items(), key=lambda item: item[1]))


def _row(
    job: str, span: tuple[datetime, datetime], stops: Sequence[Interruption], across: Axis
) -> Markup:
    left, right = (across(time.timestamp()) for time in span)
    marks = (
        tag(
            "i",
            style=f"left:{across(stop.time.timestamp())}%",
            class_="asked" if stop.asked_for else "crash",
            title=f"{stop.time:%Y-%m-%d %H:%M:%S}, {stop.position}",
        )
        for stop in stops[-100:]
    )
    lasted = duration((span[1] - span[0]).total_seconds())
    body = tag(
        "span", style=f"left:{left}%;width:{max(right - left, 0.4):.1f}%", title=f"{job}: {lasted}"
    )
    return tag("div", tag("b", _short(job)), tag("div", body, marks, class_="track"), class_="row")


def _short(job: str) -> str:
    name = JobName.parse(job.removeprefix("Custom"))
    return name.backbone if name.fold is None else f"{name.backbone} fold {name.fold}"


def _clock(begin: datetime, end: datetime, across: Axis) -> Markup:
    span = (end - begin).total_seconds()
    step = next((step for step in _STEPS if span / step <= 6), _STEPS[-1])
    midnight = begin.replace(hour=0, minute=0, second=0, microsecond=0)
    count = int((begin - midnight).total_seconds() // step) + 1
    ticks: list[datetime] = []
    while (time := midnight + timedelta(seconds=step * count)) <= end and len(ticks) < 12:
        ticks.append(time)
        count += 1
    form = "%H:%M:%S" if step < 60 else "%H:%M" if step < 86_400 else "%b %d"
    shown = (
        tag("span", time.strftime(form), style=f"left:{across(time.timestamp())}%")
        for time in ticks
        if 3 < across(time.timestamp()) < 97
    )
    return tag("div", tag("b"), tag("div", shown, class_="clock"), class_="row")
