"""run_job: one job from wherever it stands to its result; the same code on any engine."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn

from holdfast.backbones import Backbone, count_parameters, create_backbone
from holdfast.config import RunConfig
from holdfast.data import Augment, ImageSet, on_device
from holdfast.errors import HoldfastError, JobFailedError
from holdfast.pipeline.machine import Machine
from holdfast.pipeline.material import Sets
from holdfast.rundir import JobName, Position, Result
from holdfast.training import ALONE, Ingredients, Job, Jobs, Ranks, measure, train

OnEntered = Callable[[JobName, Position | None], None]


@dataclass(frozen=True)
class Task:
    """What a job trains, and on what."""

    config: RunConfig
    machine: Machine
    sets: Sets
    classes: list[str]
    name: JobName


def run_job(
    run: Jobs,
    config: RunConfig,
    machine: Machine,
    sets: Sets,
    classes: list[str],
    name: JobName,
    on_entered: OnEntered,
) -> Result:
    """Train one job to its end and return its result, which is durable by then.

    Where the machine says so, on several ranks: processes that share each batch.

    Raises:
        Interrupted: a signal asked for a stop; the state has been saved.
        StorageError: the disk refused; the last checkpoint stands.
        TrainingDivergedError: the loss became NaN or infinite; recorded as the job's failure.
        RanksDiedError: processes of it died, again and again; recorded as the job's failure.
    """
    if machine.ranks > 1:
        from holdfast.pipeline.ranks import run_on_ranks  # which comes back here, in each of them

        return run_on_ranks(run, Task(config, machine, sets, classes, name), on_entered)
    return train_job(run, Task(config, machine, sets, classes, name), on_entered)


def train_job(run: Jobs, task: Task, on_entered: OnEntered, ranks: Ranks = ALONE) -> Result:
    """Train one job in this process, alone or as one of the ``ranks`` that share each batch."""
    config, machine, name = task.config, task.machine, task.name
    with run.job(name.backbone, fold=name.fold, device=str(machine.device)) as job:
        on_entered(name, job.resumed_from)
        model = ranks.synchronised(build_model(run, config, machine, len(task.classes), name))
        job.track(model=model)
        return train_and_measure(job, config, machine, model, task.sets, task.classes, ranks)


def attempt(train: Callable[[], Result]) -> Result | str:
    """Return what ``train`` returns, or what it failed of: the series goes on.

    Raises:
        HoldfastError, OSError: what would befall the next job as well.
    """
    try:
        return train()
    except JobFailedError as error:
        return str(error)
    except (HoldfastError, OSError):
        raise
    except Exception as error:  # noqa: BLE001 - told, and in the exit code
        return f"{type(error).__name__}: {error}"


def build_model(
    run: Jobs, config: RunConfig, machine: Machine, num_classes: int, name: JobName
) -> Backbone:
    """Make the job's model on its device, with the same first weights each time."""
    run.seed_for(name.backbone, name.fold)
    model = create_backbone(
        name.backbone, size=config.size, num_classes=num_classes, image_size=config.image_size
    )
    return model.to(machine.device)


def train_and_measure(
    job: Job,
    config: RunConfig,
    machine: Machine,
    model: nn.Module,
    sets: Any,
    classes: list[str],
    ranks: Ranks = ALONE,
) -> Result:
    """Train ``model`` in ``job``, measure it on the test set, record the result."""
    ours = isinstance(sets.train, ImageSet)  # others' images go to their model as they are
    images = [on_device(part, machine.device) for part in (sets.train, sets.val, sets.test)]
    with_ = Ingredients(
        model=model,
        train=images[0],
        val=images[1],
        augment=_augment(config, machine).train() if ours else nn.Identity(),
        normalise=_augment(config, machine).eval() if ours else nn.Identity(),
        enter_stage=lambda stage: _enter_stage(model, stage),
        device=machine.device,
        autocast=machine.autocast,
        fixed_images=ours,
        ranks=ranks,
    )
    train(job, config, with_)
    measured = measure(job, config, with_, images[2], classes)
    return job.complete(**measured, parameters=count_parameters(model))


def _augment(config: RunConfig, machine: Machine) -> Augment:
    return Augment(config.image_size, **config.augment.model_dump()).to(machine.device)


def _enter_stage(model: nn.Module, stage: str) -> None:
    if isinstance(model, Backbone) and stage == "head":
        model.train_head()
    else:
        model.requires_grad_(True).train()
