"""What has happened in a run: the curves of its jobs, and their interruptions."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from holdfast.rundir import (
    COMPLETED,
    INTERRUPTED,
    HistoryRow,
    JobName,
    Journal,
    Position,
    Record,
    best_path,
    list_checkpoints,
    peek_or_none,
    resumptions,
    rows,
)

_OURS = {"time", "event", "job"}  # of an epoch's record, what is not the history's
_END = 4_000_000  # bytes of the journal in which what is in training now has been written


@dataclass(frozen=True)
class Interruption:
    """An end before the job's end, and where a start went on."""

    time: datetime
    """When it went on."""
    job: str
    position: Position
    asked_for: bool
    """Whether a signal asked for it, and all was saved before."""
    spared: float | None
    """Seconds of training that had not to be done again; None where the journal lacks it."""
    lost: float | None
    """Seconds of training that were done again, at most about; None where it lacks that."""


@dataclass(frozen=True)
class Curve:
    """The history of a job: one row for each epoch, in the order of training."""

    job: str
    rows: list[HistoryRow] = field(default_factory=list)
    """The guide's quantities by name, with ``stage`` and ``epoch`` (from 1 in each stage)."""
    times: list[datetime | None] = field(default_factory=list)
    """When each epoch ended, as far as the journal tells."""
    marks: list[float] = field(default_factory=list)
    """Where interruptions were: epochs completed, over all stages; a half more inside one."""
    waits: list[float] = field(default_factory=list)
    """Where it stood still, in the same way: interruptions, and before more epochs."""

    def values(self, name: str) -> list[float | None]:
        """Return one quantity, None where an epoch lacks it."""
        found = [row.get(name) for row in self.rows]
        return [float(v) if isinstance(v, int | float) else None for v in found]

    @property
    def stage_starts(self) -> dict[str, int]:
        """Epochs that were completed before each stage began."""
        starts: dict[str, int] = {}
        for count, row in enumerate(self.rows):
            starts.setdefault(str(row["stage"]), count)
        return starts


@dataclass(frozen=True)
class Past:
    """All of it."""

    curves: dict[str, Curve]
    """By job, of every one that the journal or a file has an epoch of."""
    interruptions: list[Interruption]
    """In order of time."""


def read_past(directory: Path, complete: Mapping[str, Any] | None = None) -> Past:
    """Read what has happened in the run in ``directory``; takes no lock and writes nothing.

    The jobs named by ``complete`` are looked up in their files where the journal has lost them.
    """
    past = _tell(Journal(directory).read())
    for job in complete or ():
        if job not in past.curves and (kept := _history_in_files(directory, JobName.parse(job))):
            past.curves[job] = Curve(job, kept, [None] * len(kept))
    return past


def read_recent(directory: Path, jobs: Iterable[str]) -> Past:
    """Read of a few jobs what the journal's end tells: as quickly with 10,000 jobs as with ten."""
    names = [JobName.parse(job) for job in jobs]
    return _tell(Journal(directory).about(names, last=_END) if names else [])


def _tell(records: list[Record]) -> Past:
    pauses = [(record, ended) for record, ended in resumptions(records) if _time(record)]
    epochs: dict[str, dict[tuple[str, int], Record]] = defaultdict(dict)
    for record in records:
        if record["event"] == "epoch":
            key = (record["stage"], record["epoch"])
            epochs[record["job"]].pop(key, None)
            epochs[record["job"]][key] = record  # the last one is of the training that went on
    curves = {job: _curve(job, list(mine.values()), pauses) for job, mine in epochs.items()}
    interruptions = [_interruption(*pause) for pause in pauses if pause[1] != COMPLETED]
    return Past(curves, sorted(interruptions, key=lambda stop: stop.time))


def _curve(job: str, epochs: list[Record], pauses: list[tuple[Record, str | None]]) -> Curve:
    order = {stage: place for place, stage in enumerate(dict.fromkeys(r["stage"] for r in epochs))}
    epochs.sort(key=lambda record: (order[record["stage"]], record["epoch"]))
    history = [{k: v for k, v in record.items() if k not in _OURS} for record in epochs]
    places = {(row["stage"], row["epoch"]): n for n, row in enumerate(history, 1)}
    starts: dict[str, int] = {}
    for count, row in enumerate(history):
        starts.setdefault(row["stage"], count)

    def mark(at: Position) -> float:
        before = places.get((at.stage, at.epoch), starts.get(at.stage, len(history)))
        return before + (0.5 if at.step else 0.0)

    mine = [(mark(_position(at)), ended) for at, ended in pauses if at["job"] == job]
    marks = [place for place, ended in mine if ended != COMPLETED]
    waits = [place for place, _ in mine]
    return Curve(job, history, [_time(record) for record in epochs], marks, waits)


def _interruption(record: Record, ended: str | None) -> Interruption:
    when, asked = _time(record), ended == INTERRUPTED
    assert when is not None
    spared, interval = _number(record.get("seconds")), _number(record.get("interval"))
    lost = 0.0 if asked else interval
    return Interruption(when, record["job"], _position(record), asked, spared, lost)


def _position(record: Record) -> Position:
    return Position(record["stage"], record["epoch"], record["step"])


def _history_in_files(directory: Path, job: JobName) -> list[HistoryRow]:
    newest = [file.path for file in list_checkpoints(directory, job)][::-1]
    for path in [best_path(directory, job), *newest]:
        record = peek_or_none(path)
        history = record.get("history") if record else None
        if isinstance(history, dict) and (kept := _shaped(rows(history))):
            return kept
    return []


def _shaped(history: list[HistoryRow]) -> list[HistoryRow]:
    good: Callable[[HistoryRow], bool] = lambda row: (  # noqa: E731
        isinstance(row.get("stage"), str) and type(row.get("epoch")) is int
    )
    return [row for row in history if good(row)]


def _time(record: Record) -> datetime | None:
    try:
        return datetime.fromisoformat(record["time"])
    except (KeyError, TypeError, ValueError):
        return None


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and value >= 0 else None
