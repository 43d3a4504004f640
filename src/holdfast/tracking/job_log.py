"""What other tools are told of a job: epochs, interruptions, result, as the journal has them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from holdfast.rundir import COMPLETED, INTERRUPTED, JobName, Position, Record, resumptions

RUNNING, COMPLETE, FAILED, STOPPED = "running", "complete", "failed", "stopped"

_OURS = {"time", "event", "job", "stage", "epoch"}  # of an epoch's record, what is no quantity
_ENDS: dict[str | None, tuple[str, str]] = {
    None: ("interruption", "died"),
    INTERRUPTED: ("interruption", "stopped as asked"),
    COMPLETED: ("extension", "was complete"),
}
_TWICE = {"final_accuracy", "final_loss"}  # the guide's names for what a result has anyway


@dataclass(frozen=True)
class Epoch:
    """One epoch; ``step`` counts the epochs of all stages, from 1."""

    step: int
    stage: str
    time: float
    """When it ended, in seconds since 1970."""
    values: dict[str, float]


@dataclass(frozen=True)
class Note:
    """An interruption, a failure, or an extension by more epochs, after ``step`` epochs."""

    step: int
    time: float
    what: str
    text: str


@dataclass
class JobLog:
    """All of one job, since it was begun last."""

    job: str
    run_id: str
    params: dict[str, Any] = field(default_factory=dict)
    """The settings that it was begun with."""
    began: float = 0.0
    epochs: list[Epoch] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    state: str = RUNNING
    """running, complete, failed, or stopped: nobody trains it now, and the next start will."""
    ended: float = 0.0
    result: dict[str, float] = field(default_factory=dict)
    """The numbers of its result; none until it is complete."""
    tags: dict[str, str] = field(default_factory=dict)
    """What is said in words: how it failed, what was changed while it was in training."""

    @property
    def step(self) -> int:
        """That of the last epoch."""
        return self.epochs[-1].step if self.epochs else 0


def job_log(job: str, run_id: str, run: Mapping[str, Any], records: Iterable[Record]) -> JobLog:
    """Make the log of a job from its records; ``run`` is the run's as it was when it began."""
    mine = list(records)
    starts = [n for n, record in enumerate(mine) if record["event"] == "job_started"]
    mine = mine[starts[-1] :] if starts else mine
    log = JobLog(job, run_id, params_of(job, run), _time(mine[0]) if mine else 0.0)
    before = _epochs_before(mine, run.get("stages") or {})
    trained = {(r["stage"], r["epoch"]): r for r in mine if r["event"] == "epoch"}
    epochs = [
        Epoch(before[stage] + epoch, stage, _time(record), _numbers(record, _OURS))
        for (stage, epoch), record in trained.items()
    ]
    log.epochs = sorted(epochs, key=lambda epoch: epoch.step)
    last, ends = 0, (ended for _, ended in resumptions(mine))
    for record in mine:
        event = record["event"]
        if event == "epoch":
            last = before[record["stage"]] + record["epoch"]
        elif event == "job_resumed":
            at = Position(record["stage"], record["epoch"], record["step"])
            step, when = before[at.stage] + at.epoch, _time(record)
            what, how = _ENDS[next(ends)]
            log.notes.append(Note(step, when, what, f"{how}; went on from {at}"))
            log.state, log.ended, log.result, log.tags = RUNNING, 0.0, {}, {}
        elif event in ("job_failed", "job_completed"):
            _end(log, record, last)
    return log


def params_of(job: str, run: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a job by name, such as ``finetune.learning_rate``."""
    name = JobName.parse(job)
    settings = run.get("settings")
    mine = settings.get(name.backbone) if isinstance(settings, dict) else None
    flat = {"backbone": name.backbone, "fold": name.fold or "none"}
    return flat | _flat(run.get("config")) | _flat(mine)


def _epochs_before(records: list[Record], planned: Mapping[str, Any]) -> dict[str, int]:
    """Return for each stage the epochs of all that came before it; a stage may end early."""
    most: dict[str, int] = dict.fromkeys(planned, 0)
    for record in records:
        if record["event"] in ("epoch", "job_resumed"):
            most[record["stage"]] = max(most.get(record["stage"], 0), record["epoch"])
    stages = list(most)
    return {stage: sum(most[s] for s in stages[: stages.index(stage)]) for stage in stages}


def _end(log: JobLog, record: Record, step: int) -> None:
    log.ended, log.tags = _time(record), {}
    if record["event"] == "job_failed":
        log.state, log.tags["error"] = FAILED, str(record["error"])
        log.notes.append(Note(step, log.ended, "failure", str(record["error"])))
        return
    log.state, log.result = COMPLETE, _numbers(record["result"], _TWICE)
    if seconds := _numbers(record, set()).get("seconds"):
        log.result["training_seconds"] = seconds
    if changed := record["result"].get("changed_in_training"):
        log.tags["changed_in_training"] = str(changed)


def _numbers(values: Mapping[str, Any], but: set[str]) -> dict[str, float]:
    return {
        key: float(value)
        for key, value in values.items()
        if key not in but and isinstance(value, int | float) and not isinstance(value, bool)
    }


def _flat(table: Any, prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in table.items() if isinstance(table, dict) else ():
        nested = isinstance(value, dict)
        found |= _flat(value, f"{prefix}{key}.") if nested else {f"{prefix}{key}": value}
    return found


def _time(record: Record) -> float:
    try:
        return datetime.fromisoformat(record["time"]).timestamp()
    except (KeyError, TypeError, ValueError, OverflowError):
        return 0.0
