"""All that changes while a job trains, in one place."""

import time
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

from holdfast.checkpoint import CheckpointRecord, key_of, make_record, storages_of
from holdfast.errors import RecoveryRefusedError
from holdfast.rundir import HistoryRow, JobName, Position, columns, rows
from holdfast.training.live_state import LiveState

_BY_NAME = {"model": "model_state_dict", "optimizer": "optimizer_state"}
_BY_NAME["scheduler"] = "scheduler_state"


class Stateful(Protocol):
    """What can hand out its state and take it back: models, optimizers, schedulers, scalers."""

    def state_dict(self) -> Any:
        """Return the state."""

    def load_state_dict(self, state_dict: Any, /) -> Any:
        """Take a state over."""


@dataclass
class Best:
    """The best weights of a stage so far."""

    metric: float
    epoch: int
    model: Mapping[str, Any]
    """Nobody changes it."""
    storages: dict[int, torch.UntypedStorage] = field(init=False)
    """Those of ``model``."""

    def __post_init__(self) -> None:
        self.storages = storages_of(self.model)


@dataclass
class RunningMeans:
    """Means over the samples of the epoch in progress; the sums stay on the device."""

    samples: int = 0
    sums: dict[str, Tensor] = field(default_factory=dict)

    def add(self, samples: int, values: Mapping[str, Tensor | float]) -> None:
        """Count ``samples`` more, whose means are ``values``."""
        self.samples += samples
        for name, value in values.items():
            tensor = torch.as_tensor(value).detach().double() * samples
            self.sums[name] = self.sums[name] + tensor if name in self.sums else tensor

    def means(self) -> dict[str, float]:
        """Return the mean of each value over the samples so far."""
        return {name: total.item() / self.samples for name, total in self.sums.items()}

    def state_dict(self) -> dict[str, Any]:
        """Return the sums as they are."""
        return {"samples": self.samples, "sums": dict(self.sums)}


@dataclass
class TrainState:
    """Every mutable thing of a job: nothing else may change from step to step."""

    position: Position
    objects: dict[str, Stateful] = field(default_factory=dict)
    """model, optimizer, scheduler, and whatever else was tracked, by name."""
    history: list[HistoryRow] = field(default_factory=list)
    """One row for each completed epoch of the job."""
    metrics: dict[str, float] = field(default_factory=dict)
    """What the last completed epoch was measured at."""
    running: RunningMeans = field(default_factory=RunningMeans)
    best: Best | None = None
    stale: int = 0
    """Epochs since the best one."""
    still: frozenset[int] = frozenset()
    """Keys (`key_of`) of the storages that do not change in this stage."""
    seconds_before: float = 0.0
    """Training time of earlier processes; like timestamps, not part of what is exact."""
    _began: float = field(default_factory=time.monotonic)
    _saved: dict[str, Any] = field(default_factory=dict)
    _live: dict[str, LiveState] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """Training time so far, over all processes."""
        return self.seconds_before + time.monotonic() - self._began

    @property
    def learning_rate(self) -> float | None:
        """That of the optimizer's first group now; None where no optimizer is tracked."""
        optimizer = self.objects.get("optimizer")
        if not isinstance(optimizer, torch.optim.Optimizer):
            return None
        rate = optimizer.param_groups[0].get("lr")
        return None if rate is None else float(rate)

    def track(self, name: str, thing: Stateful) -> None:
        """Make ``thing`` part of the state, and give it what was saved under its name."""
        self.objects[name] = thing
        saved = self._saved.pop(name, None)
        if saved is not None:
            _load(name, thing, saved)

    def enter_stage(self, stage: str) -> None:
        """Go to the start of another stage; its best and its patience begin anew."""
        self.position = Position(stage, 0)
        self.best, self.stale = None, 0
        self._saved.clear()  # an optimizer of the stage before is not this stage's

    def end_epoch(self, row: HistoryRow, metrics: dict[str, float]) -> None:
        """Complete an epoch."""
        self.position = Position(self.position.stage, self.position.epoch + 1)
        self.history.append(row)
        self.metrics = metrics
        self.running = RunningMeans()

    def judge(self, metric: float) -> None:
        """Compare the epoch just completed with the best of the stage."""
        if self.best is None or metric > self.best.metric:
            model = self._state_of("model")
            copies = {name: self._kept(tensor) for name, tensor in model.items()}
            self.best, self.stale = Best(metric, self.position.epoch, copies), 0
        else:
            self.stale += 1

    def _state_of(self, name: str) -> Any:
        thing = self.objects[name]
        if not isinstance(thing, torch.nn.Module):
            return thing.state_dict()
        if name not in self._live or self._live[name].module is not thing:
            self._live[name] = LiveState(thing)
        return self._live[name].get()

    def _kept(self, tensor: Tensor) -> Tensor:
        """Return what will stay as it is now: of what stands still, the tensor itself."""
        if key_of(tensor) in self.still:
            return tensor.detach()
        return tensor.detach().to("cpu", copy=True)

    def settled(self) -> dict[int, dict[int, torch.UntypedStorage]]:
        """Return the storages of the mappings in the newest `record` that nobody changes."""
        known = {id(self.best.model): self.best.storages} if self.best else {}
        for live in self._live.values():
            known |= live.settled
        return known

    def unchanging(self) -> set[int]:
        """Return the keys of the storages that stay as they are, whatever is trained."""
        return {*self.still, *(self.best.storages if self.best else ())}

    def fenced(self) -> set[int]:
        """Return the keys of the storages that change in an optimizer's step and only there."""
        optimizers = [o for o in self.objects.values() if isinstance(o, torch.optim.Optimizer)]
        groups = [group["params"] for optimizer in optimizers for group in optimizer.param_groups]
        learning = {key_of(parameter) for parameters in groups for parameter in parameters}
        states = [optimizer.state for optimizer in optimizers]
        return learning | storages_of([dict(state) for state in states]).keys()

    def restore_best(self) -> None:
        """Put the best weights of the stage back into the model."""
        if self.best is not None:
            self.objects["model"].load_state_dict(dict(self.best.model))

    def record(self, job: JobName, device: str) -> CheckpointRecord:
        """Return the whole state as a checkpoint's dict."""
        states = {name: self._state_of(name) for name in self.objects}
        known = {name: states.pop(name, None) for name in _BY_NAME}
        return make_record(
            job,
            self.position,
            **known,
            objects=states,
            metrics=self.metrics,
            history=columns(self.history),
            running=self.running.state_dict(),
            best=self._best_record(known["model"]),
            stale=self.stale,
            seconds=self.seconds,
            device=device,
        )

    def restore(self, record: CheckpointRecord) -> None:
        """Take a checkpoint's state over; objects not tracked yet get theirs when they are."""
        self.position = Position(record["stage"], record["epoch"], record["step"])
        self.history = rows(record["history"])
        self.metrics = dict(record["metrics"])
        self.running = RunningMeans(**record["running"])
        best = record["best"]
        if best is not None:  # its tensors may share memory with the model's
            model = {name: tensor.clone() for name, tensor in best["model"].items()}
            self.best = Best(best["metric"], best["epoch"], model)
        self.stale = record["stale"]
        self.seconds_before = record["seconds"]
        self._saved = {name: record[key] for name, key in _BY_NAME.items()} | record["objects"]
        for name, thing in self.objects.items():
            self.track(name, thing)

    def _best_record(self, model: Mapping[str, Any] | None) -> dict[str, Any] | None:
        if self.best is None:
            return None
        at = self.position
        # the weights of an epoch just judged best are the live ones: torch stores them once
        is_now = (at.epoch, at.step) == (self.best.epoch, 0) and model is not None
        weights = model if is_now else self.best.model
        return {"metric": self.best.metric, "epoch": self.best.epoch, "model": weights}


def _load(name: str, thing: Stateful, saved: Any) -> None:
    try:
        # an optimizer keeps the very tensors, which may be a file's pages; a module copies them
        thing.load_state_dict(saved if isinstance(thing, torch.nn.Module) else deepcopy(saved))
    except (RuntimeError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())
        raise RecoveryRefusedError(
            f"the checkpoint does not fit this {name}: {reason[:200]}; build it as before, or "
            "start over with `holdfast reset`"
        ) from error
