"""How a run stands, read from its files alone."""

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdfast.rundir import (
    DEFAULT_STAGES,
    SKIMMED,
    JobName,
    Position,
    RecoveryState,
    Result,
    Told,
    is_complete,
    list_all_checkpoints,
    list_set_aside,
    looks_whole,
    read_sources,
    state_of,
)
from holdfast.status.saving import Saving, read_saving, who_trains
from holdfast.storage.objects import shown

if TYPE_CHECKING:
    from pandas import DataFrame

COMPLETE, FAILED, STARTED, PENDING = "complete", "failed", "started", "pending"
_SHOWN = ("stages", "changed_in_training", "final_accuracy", "f1")  # of a result, in text


@dataclass(frozen=True)
class JobStatus:
    """How one job stands."""

    job: str
    backbone: str
    fold: int | None
    state: str
    """complete, failed, started or pending."""
    stage: str | None = None
    epoch: int | None = None
    """Epochs completed of the stage, as far as the newest checkpoint goes."""
    epochs: int | None = None
    """Epochs the stage has."""
    step: int = 0
    result: Result = field(default_factory=dict)
    """Empty until the job is complete, and again while more epochs of it are trained."""
    error: str | None = None
    interruptions: int = 0
    seconds: float = 0.0
    measured: dict[str, float] = field(default_factory=dict)
    """What the last epoch of a job in training was measured at; empty where nobody has looked."""

    @property
    def accuracy(self) -> float | None:
        """The result's, or that of the last epoch of a job in training."""
        final = self.score("final_accuracy")
        return self.measured.get("val_acc") if final is None else final

    @property
    def changed(self) -> bool:
        """Whether settings or data changed while the job was in training."""
        return "changed_in_training" in self.result

    def score(self, name: str) -> float | None:
        """Return a number of the result; a user may have recorded anything under its name."""
        value = self.result.get(name)
        return value if isinstance(value, int | float) else None


@dataclass(frozen=True)
class Status:
    """How a whole run stands."""

    directory: str
    recovery_available: bool
    total_backbones: int
    completed: int
    remaining: int
    next_backbone: str | None
    current_backbone: str | None
    current_stage: str | None
    current_epoch: int | None
    jobs: list[JobStatus]
    timestamp: str
    bytes: int
    """What the checkpoint files take on disk."""
    damaged: list[str]
    """Files that were not what was written, now in ``damaged/``."""
    stages: dict[str, int]
    """The stages of a job in order, with their epochs."""
    classes: list[str]
    """The names of the classes, by label; none where the run's record has none."""

    begun: bool = False
    """Whether any run is here: planned, in training or complete."""
    training: str | None = None
    """The process that trains here; None where nobody does, or where nobody has looked."""
    saving: Saving | None = None
    """What saving costs, and what a crash would; None where nobody has looked."""
    time_left: float | None = None
    """Seconds that the rest takes, about; None while nothing tells, or where nobody has looked."""

    def to_json(self) -> dict[str, Any]:
        """Return the same as plain dicts and lists; what is not finite becomes None."""
        plain: dict[str, Any] = finite(asdict(self))
        return plain

    def to_frame(self) -> "DataFrame":
        """Return a pandas DataFrame with a row for each job.

        Raises:
            UsageError: there is no pandas here.
        """
        from holdfast.status.frame import status_frame

        return status_frame(self)

    def __str__(self) -> str:
        """Be the report of ``holdfast status``, without its table of results."""
        from holdfast.status.text import no_run, render_text

        return render_text(self).rstrip("\n") if self.begun else no_run(self.directory)

    def _repr_html_(self) -> str:
        """Be a table in a notebook."""
        from holdfast.status.html import status_html

        return status_html(self)

    def with_state(self, state: str, *, folds: bool) -> list[JobStatus]:
        """Return the jobs in one state, either the folds or the full splits."""
        return [j for j in self.jobs if j.state == state and (j.fold is not None) == folds]


def read_status(
    directory: Path, default_backbones: list[str] | None = None, *, whole_results: bool = True
) -> Status:
    """Read how the run in ``directory`` stands; takes no lock and writes nothing.

    ``default_backbones`` is what counts as the series where no run has been planned yet. Without
    ``whole_results``, folds may have no more of theirs than what `render_text` shows.
    """
    found = read_sources(directory, SKIMMED, None if whole_results else _SHOWN)
    state = state_of(directory, found)
    status = summarise(directory, state, found.told, default_backbones or [])
    who = who_trains(directory)
    return replace(status, training=who, saving=read_saving(directory, who is not None))


def summarise(
    directory: Path,
    state: RecoveryState | None,
    told: Told,
    default_backbones: list[str],
    is_good: Callable[[Path], bool] = looks_whole,
) -> Status:
    """Bring state, journal and the checkpoint files' names together.

    A checkpoint that is not good by ``is_good`` does not count: a start steps over it.
    """
    known = state or RecoveryState()
    backbones = known.backbones or default_backbones or known.completed_backbones
    known = replace(known, backbones=backbones)
    positions = _newest_positions(directory, known, is_good)
    jobs = [_job_status(job, known, positions, told) for job in known.jobs()]
    full = [j for j in jobs if j.fold is None]
    waiting = [j.backbone for j in full if j.state != COMPLETE]
    current = known.current_job
    return Status(
        directory=shown(directory),
        recovery_available=bool(known.results or positions),
        total_backbones=len(full),
        completed=len(full) - len(waiting),
        remaining=len(waiting),
        next_backbone=next(iter(waiting), None),
        current_backbone=current.backbone if current else None,
        current_stage=known.current_stage,
        current_epoch=known.current_epoch,
        jobs=jobs,
        timestamp=known.timestamp,
        bytes=_bytes(directory),
        damaged=list_set_aside(directory),
        stages=dict(stage_epochs(known)),
        classes=_classes(known),
        begun=state is not None or bool(known.results or positions),
    )


def stage_epochs(state: RecoveryState) -> Mapping[str, int]:
    """Return the stages of a run in order, with their epochs."""
    stages: Mapping[str, int] = state.run.get("stages") or dict.fromkeys(DEFAULT_STAGES, 0)
    return stages


def _classes(state: RecoveryState) -> list[str]:
    named = state.run.get("classes")
    return list(map(str, named)) if isinstance(named, list) else []


def finite(value: Any) -> Any:
    """Return plain values as JSON knows them: without NaN and infinity, which become None."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _job_status(
    job: JobName, state: RecoveryState, positions: dict[JobName, Position], told: Told
) -> JobStatus:
    position = positions.get(job)
    if is_complete(state, job):
        kind = COMPLETE
    elif job in state.failed:
        kind = FAILED
    else:
        kind = STARTED if position else PENDING
    return JobStatus(
        job=str(job),
        backbone=job.backbone,
        fold=job.fold,
        state=kind,
        stage=position.stage if position else None,
        epoch=position.epoch if position else None,
        epochs=stage_epochs(state).get(position.stage) if position else None,
        step=position.step if position else 0,
        result=state.results.get(job, {}) if kind == COMPLETE else {},
        error=state.failed.get(job),
        interruptions=told.interruptions[str(job)],
        seconds=told.seconds.get(str(job), 0.0),
    )


def _newest_positions(
    directory: Path, state: RecoveryState, is_good: Callable[[Path], bool]
) -> dict[JobName, Position]:
    order = {stage: rank for rank, stage in enumerate(stage_epochs(state))}

    def rank(position: Position) -> tuple[int, int, int]:
        return order.get(position.stage, -1), position.epoch, position.step

    newest: dict[JobName, Position] = {}
    for file in list_all_checkpoints(directory) if directory.is_dir() else []:
        if not is_good(file.path):
            continue
        best = newest.get(file.job)
        if best is None or rank(file.position) > rank(best):
            newest[file.job] = file.position
    return newest


def _bytes(directory: Path) -> int:
    total = 0
    for entry in os.scandir(directory) if directory.is_dir() else []:
        try:
            total += entry.stat().st_size if entry.name.endswith(".pth") else 0
        except OSError:  # pruned by the writer between the listing and the look, or no file
            continue
    return total
