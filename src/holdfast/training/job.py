"""One backbone, on one fold or on the full split, from start or checkpoint to its result."""

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import torch
from torch import Tensor

from holdfast.checkpoint import CheckpointStore, JobLedger, complete_job, move_aside, weights_only
from holdfast.errors import (
    DirectoryInUseError,
    Interrupted,
    StorageError,
    SupersededError,
    TrainingDivergedError,
    UsageError,
)
from holdfast.rundir import (
    CheckpointFile,
    HistoryRow,
    JobName,
    Position,
    Result,
    check_stage_name,
)
from holdfast.training import trace
from holdfast.training.interrupt import StopRequest
from holdfast.training.saver import Saver
from holdfast.training.settings import Progress, RunSettings
from holdfast.training.stage import Stage
from holdfast.training.state import Stateful, TrainState

_NOT_ITS_FAULT = (StorageError, SupersededError, DirectoryInUseError)
_LOSS_CHECK_STEPS = 16  # on cuda, looking at a number waits for the device


@dataclass
class Job:
    """A job in training; a context manager, made by `Run.job`.

    Entering it restores the newest good checkpoint. Leaving it by an exception records the
    failure and lets the exception go on.
    """

    name: JobName
    ledger: JobLedger
    store: CheckpointStore
    settings: RunSettings
    stop: StopRequest
    state: TrainState
    device: str = "cpu"
    resumed_from: Position | None = None
    """Where this process took the job up; None where it began it."""
    make_saver: type[Saver] = Saver
    _stages: dict[str, int] = field(default_factory=dict)
    _cost: dict[str, float] = field(default_factory=dict)
    _stage: Stage | None = None
    _shown_at: float = 0.0
    _samples: int = 0
    _on_exit: ExitStack = field(default_factory=ExitStack)

    def __post_init__(self) -> None:
        self._saver = self.make_saver(
            self.name, self.store, self.ledger, self.settings, self.state, self.device
        )

    @property
    def seed(self) -> int:
        """The seed of the run."""
        return self.settings.seed

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            undo.enter_context(self.stop.listening())
            undo.callback(self._saver.close)
            record = self.store.newest(self.name, self._note_damage)
            if record is None and self.store.newest_first(self.name):
                self.settings.on_notice(f"{self.name}: no good checkpoint is left, starting anew")
            if record is not None:
                self.state.restore(record)
                self.resumed_from = self.state.position
                self._saver.resumed(self.state.position)
                self._saver.pace.resume(record.get("saving", {}))
                self.ledger.agree_on_epochs(self.name, self.state.history)
            seconds, interval = self.state.seconds_before, self._saver.pace.interval
            self.ledger.entered(self.name, self.resumed_from, seconds, interval)
            for thing in self.state.objects.values():
                undo.enter_context(self._saver.fencing(thing))
            self._on_exit = undo.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._on_exit:  # the writer is joined, and its errors told, before anything else
            if error is None:
                self._saver.finish()
        if isinstance(error, Interrupted):
            self.ledger.interrupted(self.name, error.where)
        elif isinstance(error, Exception) and not isinstance(error, _NOT_ITS_FAULT):
            self.ledger.failed(self.name, f"{type(error).__name__}: {error}")

    def track(self, **objects: Stateful) -> None:
        """Make objects part of the state; one that the checkpoint knows gets its state back.

        Call it before `Stage.epochs` for what is made anew in each stage, such as optimizers.

        Raises:
            RecoveryRefusedError: the saved state does not fit the object.
        """
        for name, thing in objects.items():
            self.state.track(name, thing)
            self._on_exit.enter_context(self._saver.fencing(thing))

    def stages(
        self,
        epochs: Mapping[str, int],
        *,
        monitor: str | None = None,
        patience: int | None = None,
        cost: Mapping[str, float] | None = None,
    ) -> Iterator[Stage]:
        """Yield the stages still to train, in order; those behind the checkpoint are skipped.

        Args:
            epochs: the epochs of each stage, by its name.
            monitor: a metric of `Stage.end_epoch`, the higher the better; the best weights by
                it are restored at the end of each stage.
            patience: epochs without a better ``monitor`` before a stage stops early.
            cost: what an epoch of a stage takes, beside the others', for the time that is left
                to be told; 1 where it is not named.

        Raises:
            UsageError: the checkpoint is in a stage that is not among them.
        """
        if patience is not None and monitor is None:
            raise UsageError("job.stages(patience=…) needs monitor=…, the metric to watch")
        names = [check_stage_name(name) for name in epochs]
        self._stages, self._cost = dict(epochs), dict(cost or {})
        self.ledger.remember_stages(self._stages)
        self.store.stages = tuple(names)
        begun = self.resumed_from is not None
        if begun and self.state.position.stage not in names:
            raise UsageError(
                f"{self.name} stands in stage {self.state.position.stage!r}, which job.stages(…) "
                f"does not name: name it, or `holdfast reset --backbone {self.name.backbone}`"
            )
        for name in names[names.index(self.state.position.stage) if begun else 0 :]:
            if self.state.position.stage != name or not begun:
                self.state.enter_stage(name)
            begun = True
            self._stage = Stage(self, name, epochs[name], monitor, patience)
            yield self._stage

    def step(self, *, samples: int = 1, **means: Tensor | float) -> None:
        """Advance the position by one optimizer step; save if it is time, stop if asked to.

        ``means`` are this batch's means over its ``samples``; their running means become
        ``train_…`` in the history.

        Raises:
            TrainingDivergedError: a value is NaN or infinite.
            Interrupted: a signal asked for a stop; the state has been saved.
        """
        state = self.state
        state.running.add(samples, means)
        position = state.position
        state.position = Position(position.stage, position.epoch, position.step + 1)
        self._samples += samples
        if trace.tracer is not None:
            trace.tracer.step(self, means)
        if self.device == "cpu" or state.position.step % _LOSS_CHECK_STEPS == 0:
            self._check_finite()
        if self._saver.is_due():
            self._check_finite()
            self._saver.begin()
        self._show()
        self.check_stop()

    def check_stop(self) -> None:
        """Save and raise Interrupted if a signal asked for a stop; call it in long evaluations."""
        if self.stop.heard():
            if self._saver.saved != self.state.position:
                self.save()
            self.stop.check(f"{self.name}, {self.state.position}")

    @property
    def saved(self) -> Position | None:
        """The newest position that survives the machine's end; None before the first.

        That of a power cut; of a run on object storage, that of the machine itself.
        """
        return self._saver.safe

    def fence(self) -> None:
        """Call it before changing, other than by a tracked optimizer's step, what is tracked.

        A checkpoint may be being written: it is to hold what was, not half of what comes. Steps
        of tracked torch optimizers do it by themselves, and so do the ends of epochs and stages.
        """
        self._saver.fence()

    def save(self) -> None:
        """Commit a checkpoint of this very position, and prune older ones; then it is durable."""
        self._check_finite()
        self._saver.save()

    def complete(self, **result: Any) -> Result:
        """Record the job's result, durably, with the weights the model has now."""
        self._saver.finish()
        # a crash, or somebody who was given up, may have left one too many
        self.store.prune(self.name, self.settings.keep_latest, anew=True)
        record = weights_only(self.state.record(self.name, self.device))
        done = complete_job(
            self.ledger, self.store, self.name, {**result, **self._provenance()}, record
        )
        if self.name.fold is not None:  # a fold is done for its result; see docs/internals.md
            self.store.remove_all(self.name)
        return done

    def _provenance(self) -> dict[str, Any]:
        """Return what a result must say of how it came about."""
        stages = {"stages": dict(self._stages)} if self._stages else {}
        changed = self.ledger.changes_in(self.name)
        return {**stages, "changed_in_training": changed} if changed else stages

    @property
    def history(self) -> list[HistoryRow]:
        """One row for each completed epoch, over all stages and processes."""
        return self.state.history

    def _stage_begins(self, frozen: Iterable[Tensor]) -> None:
        self._saver.hold_still(frozen)
        position = self.state.position
        if position == Position(position.stage, 0) and position != self.resumed_from:
            self.save()

    def _stage_ends(self) -> None:
        """Let nothing of the next stage begin before all of this one is durable."""
        if self._saver.saved != self.state.position:
            self.save()
        self._saver.hold_still(())

    def _epoch_ended(self, row: HistoryRow) -> None:
        self._saver.note_epoch(row)
        if self._saver.is_due(epoch_ends=True):
            self._check_finite()
            self._saver.begin(must=True)
        self._show(self.state.metrics)
        self.check_stop()

    def _check_finite(self) -> None:
        for name, total in self.state.running.sums.items():
            if not bool(torch.isfinite(total)):
                raise TrainingDivergedError(
                    f"the {name} became {total.item()} at {self.state.position}; lower its "
                    "learning rate (overrides, docs/cli.md) and `holdfast reset --backbone "
                    f"{self.name.backbone}`"
                )

    def _show(self, measured: dict[str, float] | None = None) -> None:
        show, now = self.settings.on_progress, time.monotonic()
        if show is None or (not measured and now - self._shown_at < self.settings.show_interval):
            return
        self._shown_at = now
        position = self.state.position
        steps = (self._stage.steps if self._stage else None) or 0
        show(
            Progress(
                self.name,
                position,
                self._stages.get(position.stage, 0),
                steps,
                self.state.running.means() if self.state.running.samples else {},
                self._samples,
                self._fraction(position, steps),
                measured or {},
            )
        )

    def _fraction(self, position: Position, steps: int) -> float:
        """Return the share of the job's work that is done."""
        names = list(self._stages)
        work = {name: epochs * self._cost.get(name, 1.0) for name, epochs in self._stages.items()}
        before = sum(work[name] for name in names[: names.index(position.stage)])
        inside = position.epoch + (position.step / steps if steps else 0.0)
        done = before + inside * self._cost.get(position.stage, 1.0)
        return done / (sum(work.values()) or 1.0)

    def _note_damage(self, file: CheckpointFile, reason: str) -> None:
        move_aside(self.ledger, file.path, reason, self.settings.on_notice)
