"""The training loop: both stages of a job, read from top to bottom."""

from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from holdfast.config import RunConfig
from holdfast.training.evaluate import Predictions, predict, result_metrics, validation_metrics
from holdfast.training.features import frozen_body, on_features
from holdfast.training.ingredients import Ingredients
from holdfast.training.job import Job
from holdfast.training.optim import clip_gradients, make_optimizer, make_scheduler
from holdfast.training.randomness import steps_per_epoch

HEAD = "head"
_ON_FEATURES, _ON_IMAGES = 0.02, 0.4  # of what an epoch costs in which everything learns, roughly


def train(job: Job, config: RunConfig, with_: Ingredients) -> None:
    """Train a job's stages from wherever it stands; its model ends with the best weights.

    Raises:
        Interrupted: a signal asked for a stop; the state has been saved.
        TrainingDivergedError: the loss became NaN or infinite.
    """
    model, backbone, batch_size = with_.model, job.name.backbone, config.batch_size
    ranks = with_.ranks  # this process alone, or one of several that share each batch
    steps = steps_per_epoch(len(with_.train), batch_size)
    cost = stage_costs(config, backbone)
    stages = job.stages(config.stages, monitor="accuracy", patience=config.patience, cost=cost)
    for stage in stages:
        settings = config.stage(backbone, stage.name)
        with_.enter_stage(stage.name)
        optimizer = make_optimizer(model, settings)
        scheduler = make_scheduler(optimizer, settings, stage.total, steps)
        job.track(optimizer=optimizer, scheduler=scheduler)
        ranks.check_agreement(job.state)
        # where the body rests, the images are its features and the model is the head
        seen = with_ if settings.augment else on_features(with_, 2 * batch_size, job.check_stop)
        prepare = seen.augment if settings.augment else seen.normalise
        learner = ranks.learner(seen.model)
        learning = [parameter for parameter in model.parameters() if parameter.requires_grad]

        for _epoch in stage.epochs(frozen=frozen_body(model)):
            with_.enter_stage(stage.name)  # evaluation has left it in evaluation mode
            for images, labels in stage.batches(seen.train, batch_size):
                share = ranks.share(len(labels))
                labels = labels[share.part].to(seen.device)
                inputs = ranks.prepared(prepare, images, share, seen.device)
                logits = _forward(seen, learner, inputs)
                loss = F.cross_entropy(logits, labels, label_smoothing=settings.label_smoothing)
                optimizer.zero_grad(set_to_none=True)
                ranks.backward(loss, share)
                clip_gradients(learning, settings.clip_norm)
                optimizer.step()
                scheduler.step()
                accuracy = (logits.detach().argmax(1) == labels).double().mean()
                job.step(samples=share.total, **ranks.means(share, loss=loss, acc=accuracy))
            validation = run_model(job, config, seen, seen.val)
            stage.end_epoch(**validation_metrics(validation))


def stage_costs(config: RunConfig, backbone: str) -> dict[str, float]:
    """Return what an epoch of a stage takes beside one in which everything learns."""
    return {HEAD: _ON_IMAGES if config.stage(backbone, HEAD).augment else _ON_FEATURES}


def measure(
    job: Job, config: RunConfig, with_: Ingredients, dataset: Any, classes: list[str]
) -> dict[str, Any]:
    """Return the result of the trained job on a set it has not seen."""
    return result_metrics(run_model(job, config, with_, dataset), classes)


def run_model(job: Job, config: RunConfig, with_: Ingredients, dataset: Any) -> Predictions:
    """Return what the model says of every image of ``dataset``; stops when asked to."""
    with_.ranks.agree_on_statistics(with_.model)
    return predict(
        with_.model,
        dataset,
        batch_size=2 * config.batch_size,
        forward=lambda images: _forward(with_, with_.model, with_.normalise(images)),
        device=with_.device,
        check_stop=job.check_stop,
        ranks=with_.ranks,
    )


def _forward(with_: Ingredients, model: nn.Module, inputs: Tensor) -> Tensor:
    with with_.precision():
        logits: Tensor = model(inputs)
    return logits.float()
