"""A run whose models are used: which are complete, their weights, what they say of its images."""

import difflib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from holdfast.backbones import create_backbone
from holdfast.checkpoint import read_pth
from holdfast.config import BACKBONES, RunConfig
from holdfast.data import Augment, ImageSet
from holdfast.errors import DamagedCheckpointError, UnknownBackboneError, UsageError
from holdfast.inference.computing import machine_of, randomness_kept, recorded_config
from holdfast.inference.images import OnProgress, run_material
from holdfast.inference.model import TrainedModel
from holdfast.pipeline import Machine, Material
from holdfast.rundir import (
    JobName,
    RecoveryState,
    best_path,
    is_complete,
    load_state,
    mismatch,
    peek_or_none,
    rows,
)
from holdfast.status import describe, no_run, read_status
from holdfast.storage.objects import shown, viewed
from holdfast.training import Predictions


@dataclass(frozen=True)
class TrainedRun:
    """A run to use the models of; takes no lock and writes nothing. `open_trained` makes one."""

    directory: Path
    where: str | Path
    state: RecoveryState
    config: RunConfig
    """What of its settings decides a model: size, image size, batch size, seed …"""
    machine: Machine
    data: str | None
    on_progress: OnProgress
    _keep: ExitStack = field(repr=False)

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, by label."""
        return tuple(map(str, self.state.run["classes"]))

    @property
    def complete(self) -> list[JobName]:
        """The completed jobs of the full split, in the order of the series."""
        return [job for job in self.state.jobs() if job.fold is None and self.is_complete(job)]

    def is_complete(self, job: JobName) -> bool:
        """Tell whether a job has a result."""
        return is_complete(self.state, job)

    def find(self, name: str) -> JobName:
        """Return the completed job of a backbone, or a fold's, by its name.

        Raises:
            UnknownBackboneError: no backbone has this name.
            UsageError: it is not part of the run, or not complete yet.
        """
        job = JobName.parse(name)
        if job.backbone not in {*BACKBONES, *self.state.backbones}:
            near = difflib.get_close_matches(job.backbone, self.state.backbones, n=3)
            raise UnknownBackboneError(name, near)
        if not self.is_complete(job):
            raise UsageError(f"{shown(self.directory)}: {name} {self._why_not(job)}")
        return job

    def best(self) -> JobName:
        """Return the completed job of the full split with the best validation accuracy.

        Of several, the first in the order of the series. The test split has no say.

        Raises:
            UsageError: none is complete yet.
        """
        if not self.complete:
            stand = [f"{job.job} ({describe(job)})" for job in self._status() if job.stage]
            told = f" yet: {', '.join(stand)}" if stand else ""
            where = shown(self.directory)
            raise UsageError(f"{where}: no backbone is complete{told}; `holdfast train` goes on")
        return max(self.complete, key=lambda job: self.validation_accuracy(job) or -1.0)

    def validation_accuracy(self, job: JobName) -> float | None:
        """Return the validation accuracy of a job's best weights, from the history beside them."""
        record = peek_or_none(best_path(self.directory, job)) or {}
        history = record.get("history")
        epochs = rows(history) if isinstance(history, dict) else []
        last = [
            r["val_acc"] for r in epochs if r.get("stage") == record["stage"] and "val_acc" in r
        ]
        return max(last, default=None)  # each stage ends with its own best weights

    def model(self, job: JobName) -> TrainedModel:
        """Load the model of a completed job, its weights verified.

        Raises:
            DamagedCheckpointError: its file is gone, or is not what was written.
            UsageError, UnknownBackboneError: as `find`.
        """
        config = self.config
        job = self.find(str(job))
        with randomness_kept():  # a fresh model draws weights
            model = create_backbone(
                job.backbone,
                size=config.size,
                num_classes=len(self.classes),
                image_size=config.image_size,
            )
        path = best_path(self.directory, job)
        try:
            model.load_state_dict(self._weights(path, job))
        except (RuntimeError, TypeError) as error:
            raise _damaged(path, "holds the weights of another model") from error
        return TrainedModel(
            job,
            model.eval().to(self.machine.device),
            config.size,
            self.classes,
            Augment(config.image_size).eval().to(self.machine.device),
            self.machine,
            2 * config.batch_size,
        )

    def images(self, job: JobName, part: str) -> ImageSet:
        """Return the images of a job's ``part``: train, val (which judged it) or test.

        A fold is measured on the part that judged it.

        Raises:
            DataError: the images are not to be found, or are not the same any more.
        """
        images: ImageSet = getattr(self.material.sets(job), part)
        return images

    def predictions(
        self, job: JobName, part: str, check_stop: Callable[[], None] = lambda: None
    ) -> Predictions:
        """Return what a completed job's model says of a ``part`` of its images: val or test.

        On the machine that trained it, the bits that the recorded result was made of.
        ``check_stop`` is called between batches and may raise.

        Raises:
            DataError: as `images`.
            DamagedCheckpointError, UsageError, UnknownBackboneError: as `model`.
        """
        return self.model(job).predictions(self.images(job, part), check_stop)

    @cached_property
    def material(self) -> Material:
        """The images of the run, decoded, and how it split them."""
        return run_material(
            self.directory,
            self.where,
            self.config,
            self.state.run.get("data", {}),
            data=self.data,
            keep=self._keep,
            on_progress=self.on_progress,
        )

    def _weights(self, path: Path, job: JobName) -> Any:
        if not path.exists():
            raise _damaged(path, "the file is gone")
        try:
            record = read_pth(path)
        except DamagedCheckpointError as error:
            raise _damaged(path, error.reason) from error
        if reason := mismatch(record, job, None, self.state.run_id):
            raise _damaged(path, reason)
        return record["model_state_dict"]

    def _status(self) -> list[Any]:
        return read_status(self.directory, whole_results=False).jobs

    def _why_not(self, job: JobName) -> str:
        stand = next((describe(one) for one in self._status() if one.job == str(job)), None)
        complete = ", ".join(map(str, self.complete)) or "none"
        if stand is None:
            return f"is not part of this run (complete: {complete})"
        if stand.startswith("complete"):  # for fewer epochs than the run has by now
            stand = "more epochs are planned"
        return f"is not complete yet ({stand}); complete: {complete}; `holdfast train` goes on"


@contextmanager
def open_trained(
    where: str | Path = "checkpoints",
    *,
    device: str = "auto",
    data: str | None = None,
    on_notice: Callable[[str], None] = lambda _: None,
    on_progress: OnProgress = lambda *_: None,
) -> Iterator[TrainedRun]:
    """Give a run to use the models of, beside whoever trains it.

    Args:
        where: its directory, or its URL.
        device: where to compute, such as cpu or cuda:1; auto: as the run was trained.
        data: the folder of its images, where the run's own cache of them is gone.
        on_notice: told what a person should know.
        on_progress: told what takes long.

    Raises:
        UsageError: there is no run, or not one that `holdfast train` trained.
        ConfigError: the device is not there.
        StorageError: the store does not answer.
    """
    with viewed(where) as directory, ExitStack() as keep:
        if not directory.is_dir():
            raise UsageError(f"{where}: no such directory; `holdfast train` makes it")
        state = load_state(directory)
        if state is None or not state.run:
            raise UsageError(no_run(str(where)))
        config = recorded_config(state.run, str(where))
        machine = machine_of(config, device, on_notice)
        yield TrainedRun(directory, where, state, config, machine, data, on_progress, keep)


def _damaged(path: Path, reason: str) -> DamagedCheckpointError:
    told = f"{reason}; the next `holdfast train` makes these weights again"
    return DamagedCheckpointError(path, told)
