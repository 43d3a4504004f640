"""A run: one checkpoint directory and what is trained in it."""

import logging
import signal
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from holdfast.checkpoint import CheckpointStore, Ledger, lost_weights, repair
from holdfast.errors import RecoveryRefusedError
from holdfast.rundir import (
    DEATHS,
    JobName,
    Position,
    boot_id,
    check_backbone_name,
    deaths,
)
from holdfast.training.interrupt import StopRequest
from holdfast.training.job import Job, RunSettings
from holdfast.training.randomness import derive_seed, reseed, use_deterministic_kernels
from holdfast.training.state import Stateful, TrainState

_log = logging.getLogger("holdfast")


class Run:
    """The training side of a checkpoint directory; `holdfast.open` makes one.

    It holds the directory's lock until `close`, or until the process ends.
    """

    def __init__(self, directory: Path, settings: RunSettings, stop: StopRequest) -> None:
        self.directory = directory
        self.settings = settings
        self.stop = stop
        self.ledger = Ledger(directory)
        repair(self.ledger, settings.on_notice)
        self.store = CheckpointStore(directory, self.ledger.stages, self.ledger.run_id)

    def plan(
        self,
        run: Mapping[str, Any],
        backbones: Sequence[str],
        folds: Mapping[str, int] | None = None,
    ) -> None:
        """Record what this run is, or check that it is still the same.

        ``run`` holds whatever decides the result: ``run["stages"]`` the epochs of each stage,
        ``run["settings"]`` what holds for single backbones, by name. More backbones extend the
        run, and the settings of one that has not begun may change.

        Raises:
            RecoveryRefusedError: the directory holds a run that differs; each difference is
                named, and nothing is touched.
        """
        state, now = self.ledger.state, dict(run)
        self.check(now, complete=True)
        settings = {**state.run.get("settings", {}), **now.get("settings", {})}
        if settings:
            now["settings"] = settings
        more = [name for name in state.backbones if name not in backbones and state.run]
        self.ledger.plan(now, [*more, *backbones], {**state.folds, **(folds or {})})
        self.store.stages = self.ledger.stages

    def check(self, run: Mapping[str, Any], *, complete: bool = False) -> None:
        """Refuse a start that differs from the run in what ``run`` names; write nothing.

        With ``complete``, what the run's record names and ``run`` does not differs too.

        Raises:
            RecoveryRefusedError: each difference is named.
        """
        known, now = dict(self.ledger.state.run), dict(run)
        before, after = known.pop("settings", {}), now.pop("settings", {})
        if not complete:
            known = {key: value for key, value in known.items() if key in now}
        changed = differences(known, now)
        for name in after:
            if name in before and self._has_begun(name):
                changed += differences(before[name], after[name], f"{name}.")
        if self.ledger.state.run and changed:
            raise RecoveryRefusedError(
                f"{self.directory} holds another run: {'; '.join(changed)}. Start it as it was "
                "started, name another --checkpoint-dir, or give it up with `holdfast reset`"
            )

    def _has_begun(self, backbone: str) -> bool:
        """Tell whether a job of the backbone has a result or a checkpoint."""
        state = self.ledger.state
        mine = [job for job in state.jobs() if job.backbone == backbone]
        return any(job in state.results or self.store.newest_first(job) for job in mine)

    def pending(self, names: Sequence[str], fold: int | None = None) -> Iterator[str]:
        """Yield the backbones that are not complete, in order; where nothing was planned, plan.

        The names need not be Holdfast's: any name that can stand in a file name will do.
        """
        names = [check_backbone_name(name) for name in names]
        if not self.ledger.state.run:
            self.plan({"seed": self.settings.seed}, names)
        for job in self.in_order([JobName(name, fold) for name in names]):
            if self.is_pending(job):
                yield job.backbone

    def in_order(self, jobs: Sequence[JobName]) -> list[JobName]:
        """Return the jobs as they are to be tried: what keeps dying goes behind the others.

        Jobs do not depend on each other, so their order changes no result.
        """
        newest = {job: files[0].position for job in jobs if (files := self.store.newest_first(job))}
        start = Position(self.store.stages[0], 0)
        died = deaths(self.ledger.journal.read(), newest, start, boot_id())
        behind = {job: died[job] for job in jobs if died.get(job, 0) >= DEATHS}
        for job, times in behind.items():
            self.settings.on_notice(
                f"{job} died {times} times in a row at {newest.get(job, start)} (out of memory, or "
                "a crash in native code?): the others go first, then it is tried again"
            )
        return sorted(jobs, key=lambda job: behind.get(job, 0))

    def is_pending(self, job: JobName) -> bool:
        """Tell whether a job is still to be trained, or its weights are lost and to be remade."""
        if job not in self.ledger.state.results:
            return True
        if job in lost_weights(self.ledger):
            self.settings.on_notice(f"{job}: the file with its weights is lost, making it again")
            return True
        return False

    def job(
        self,
        backbone: str,
        *,
        state: Mapping[str, Stateful] | None = None,
        fold: int | None = None,
        device: str = "cpu",
    ) -> Job:
        """Return the job of ``backbone``, to be used in a ``with`` statement.

        ``state`` is what has ``state_dict`` and ``load_state_dict`` and changes in training:
        model, optimizer, scheduler, and any others, by name. What is made later, such as one
        optimizer per stage, joins by `Job.track`.
        """
        name = JobName(check_backbone_name(backbone), fold)
        train_state = TrainState(Position(self.store.stages[0], 0), dict(state or {}))
        return Job(
            name, self.ledger, self.store, self.settings, self.stop, train_state, device=device
        )

    def seed_for(self, backbone: str, fold: int | None = None) -> None:
        """Seed every generator for the making of a model: the same weights each time."""
        reseed(derive_seed(self.settings.seed, JobName(backbone, fold), "init"))

    def close(self) -> None:
        """Give the directory's lock back."""
        self.ledger.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def open_run(
    directory: str | Path = "checkpoints",
    *,
    seed: int = 42,
    keep_latest: int = 3,
    save_interval: float = 60.0,
    deterministic: bool = True,
) -> Run:
    """Open a checkpoint directory for training, as its one writer.

    Args:
        directory: created where it does not exist.
        seed: decides every permutation and random number of the run.
        keep_latest: checkpoints to keep for each job; two good ones are kept at least.
        save_interval: seconds between checkpoints inside an epoch; each epoch's end is saved.
        deterministic: make torch choose kernels that give the same bits each time. Without
            it a resumed run is as exact as the kernels happen to be.

    Raises:
        DirectoryInUseError: another process trains there.
        StorageError: the directory cannot be written.
    """
    if deterministic:
        use_deterministic_kernels()
    settings = RunSettings(seed, keep_latest, save_interval)
    return Run(Path(directory), settings, StopRequest(_announce_stop))


def _announce_stop(number: int) -> None:
    _log.warning("%s: saving, then stopping", signal.Signals(number).name)


def differences(known: Mapping[str, Any], now: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Name each setting that is not what it was."""
    found = []
    for key in dict.fromkeys([*known, *now]):
        old, new = known.get(key), now.get(key)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            found += differences(old, new, f"{prefix}{key}.")
        elif old != new:
            found.append(f"{prefix}{key} was {old}, now {new}")
    return found
