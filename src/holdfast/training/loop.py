"""The training loop: both stages of a job, read from top to bottom."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from holdfast.config import RunConfig
from holdfast.training.evaluate import Predictions, predict, result_metrics, validation_metrics
from holdfast.training.job import Job
from holdfast.training.optim import clip_gradients, make_optimizer, make_scheduler
from holdfast.training.randomness import steps_per_epoch


@dataclass(frozen=True)
class Ingredients:
    """What a job trains with; the pipeline brings them, the loop knows no more of them.

    ``augment`` and ``normalise`` take raw images (N, R, R, 3) uint8 on the training device to
    the model's input (N, 3, S, S); ``enter_stage`` sets what a stage freezes.
    """

    model: nn.Module
    train: Any
    val: Any
    augment: Callable[[Tensor], Tensor]
    normalise: Callable[[Tensor], Tensor]
    enter_stage: Callable[[str], None]
    device: torch.device
    autocast: torch.dtype | None = None


def train(job: Job, config: RunConfig, with_: Ingredients) -> None:
    """Train a job's stages from wherever it stands; its model ends with the best weights.

    Raises:
        Interrupted: a signal asked for a stop; the state has been saved.
        TrainingDivergedError: the loss became NaN or infinite.
    """
    model, backbone = with_.model, job.name.backbone
    steps = steps_per_epoch(len(with_.train), config.batch_size)
    for stage in job.stages(config.stages, monitor="accuracy", patience=config.patience):
        settings = config.stage(backbone, stage.name)
        with_.enter_stage(stage.name)
        optimizer = make_optimizer(model, settings)
        scheduler = make_scheduler(optimizer, settings, stage.total, steps)
        job.track(optimizer=optimizer, scheduler=scheduler)
        prepare = with_.augment if settings.augment else with_.normalise
        learning = [parameter for parameter in model.parameters() if parameter.requires_grad]

        for _epoch in stage.epochs():
            with_.enter_stage(stage.name)  # evaluation has left it in evaluation mode
            for images, labels in stage.batches(with_.train, config.batch_size):
                labels = labels.to(with_.device)
                logits = _forward(with_, prepare, images.to(with_.device))
                loss = F.cross_entropy(logits, labels, label_smoothing=settings.label_smoothing)
                optimizer.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]
                clip_gradients(learning, settings.clip_norm)
                optimizer.step()
                scheduler.step()
                accuracy = (logits.detach().argmax(1) == labels).double().mean()
                job.step(samples=len(labels), loss=loss, acc=accuracy)
            validation = run_model(job, config, with_, with_.val)
            stage.end_epoch(**validation_metrics(validation))


def measure(
    job: Job, config: RunConfig, with_: Ingredients, dataset: Any, classes: list[str]
) -> dict[str, Any]:
    """Return the result of the trained job on a set it has not seen."""
    return result_metrics(run_model(job, config, with_, dataset), classes)


def run_model(job: Job, config: RunConfig, with_: Ingredients, dataset: Any) -> Predictions:
    """Return what the model says of every image of ``dataset``; stops when asked to."""
    return predict(
        with_.model,
        dataset,
        batch_size=config.batch_size * 2,
        forward=lambda images: _forward(with_, with_.normalise, images),
        device=with_.device,
        check_stop=job.check_stop,
    )


def _forward(with_: Ingredients, prepare: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    inputs = prepare(images)
    dtype = with_.autocast or torch.float32
    with torch.autocast(with_.device.type, dtype, enabled=with_.autocast is not None):
        logits: Tensor = with_.model(inputs)
    return logits.float()
