"""A whole run that takes a fraction of a second: every kind of state, file and transition in it.

Two backbones, each on the full split and on two folds, two stages each, saved at every step.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import Subset, TensorDataset

import holdfast
from holdfast.rundir import JobName, Position
from holdfast.training import Job, Run

WIDTHS = {"narrow": 3, "wide": 5}
FOLDS = 2
STAGES = {"head": 1, "finetune": 2}
RUN = {"seed": 42, "stages": STAGES}
SAMPLES, BATCH = 18, 6

Told = Callable[[JobName, Position | None], None]
Entered = list[tuple[JobName, Position | None]]


def train(directory: Path, promised: Told = lambda job, position: None) -> Entered:
    """Train what is not complete yet; return each job with the position it was taken up at.

    ``promised`` is told of each position that is saved, and with None of each completed job: they
    must survive.
    """
    entered: Entered = []
    with one_thread(), holdfast.open(directory, keep_latest=2, save_interval=0.0) as run:
        run.plan(RUN, list(WIDTHS), dict.fromkeys(WIDTHS, FOLDS))
        for fold in (None, *range(1, FOLDS + 1)):
            for name in run.pending(list(WIDTHS), fold):
                train_job(run, JobName(name, fold), entered, promised)
    return entered


def train_job(run: Run, name: JobName, entered: Entered, promised: Told) -> None:
    """Train one job to its result."""
    run.seed_for(name.backbone, name.fold)
    model = make_model(WIDTHS[name.backbone])
    with run.job(name.backbone, state={"model": model}, fold=name.fold) as job:
        entered.append((name, job.resumed_from))
        train_stages(job, model, promised)
        job.complete(accuracy=accuracy(model, name.fold))
    promised(name, None)


def train_stages(job: Job, model: nn.Module, promised: Told) -> None:
    """Train from wherever the job stands to the end of its last stage."""
    for stage in job.stages(STAGES, monitor="accuracy"):
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.02)
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2, 0.9)
        job.track(optimizer=optimizer, scheduler=scheduler)
        for _ in stage.epochs():
            model.train()
            for inputs, labels in stage.batches(split(job.name.fold, held_out=False), BATCH):
                loss = cross_entropy(model(inputs + 0.1 * torch.randn_like(inputs)), labels)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                scheduler.step()
                job.step(samples=len(labels), loss=loss)
                promised(job.name, job.saved)
            stage.end_epoch(accuracy=accuracy(model, job.name.fold))
            promised(job.name, job.saved)


def make_model(width: int) -> nn.Module:
    """BatchNorm has running statistics, dropout draws random numbers."""
    layers = [nn.Linear(4, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Dropout(0.3)]
    return nn.Sequential(*layers, nn.Linear(width, 2))


def split(fold: int | None, *, held_out: bool) -> Subset[tuple[torch.Tensor, ...]]:
    """Return the samples to learn from, or those to measure at."""
    generator = torch.Generator().manual_seed(5)
    inputs = torch.randn(SAMPLES, 4, generator=generator)
    data = TensorDataset(inputs, (inputs.sum(1) > 0).long())
    mine = [i for i in range(SAMPLES) if (i % 3 == (fold or 0)) == held_out]
    return Subset(data, mine)


def accuracy(model: nn.Module, fold: int | None) -> float:
    """Return the share of the held-out samples that are told right."""
    part = split(fold, held_out=True)
    inputs, labels = part.dataset[part.indices]
    with torch.no_grad():
        return (model.eval()(inputs).argmax(1) == labels).double().mean().item()


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute in one thread while the block runs: two may give other bits."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
