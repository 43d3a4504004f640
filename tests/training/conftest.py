"""A job small enough to be trained in milliseconds, with everything that can go wrong in it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

import holdfast
from holdfast.training import Job, Run

STAGES = {"head": 2, "finetune": 3}


class Stopped(Exception):  # noqa: N818 - nothing went wrong
    """Where a test pulls the plug inside one process."""


def make_model() -> nn.Module:
    """BatchNorm has running statistics, dropout draws random numbers."""
    torch.manual_seed(7)
    return nn.Sequential(
        nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 3)
    )


def make_data(count: int = 26) -> TensorDataset:
    generator = torch.Generator().manual_seed(5)
    inputs = torch.randn(count, 6, generator=generator)
    return TensorDataset(inputs, (inputs.sum(1) > 0).long())


def train_job(
    job: Job, model: nn.Module, *, workers: int = 0, stop_after: int | None = None, **stages: Any
) -> list[Tensor]:
    """Train in the way of the README; return the inputs of each batch, in order."""
    seen, data, steps = [], make_data(), 0
    for stage in job.stages(STAGES, **stages):
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, fused=True)
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 3, 0.9)
        job.track(optimizer=optimizer, scheduler=scheduler)
        for _ in stage.epochs():
            model.train()
            for inputs, labels in stage.batches(data, batch_size=5, workers=workers):
                if stop_after is not None and steps == stop_after:
                    raise Stopped
                seen.append(inputs)
                loss = nn.functional.cross_entropy(model(inputs + torch.randn(6)), labels)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                scheduler.step()
                job.step(samples=len(labels), loss=loss)
                steps += 1
            model.eval()
            with torch.no_grad():
                right = (model(data.tensors[0]).argmax(1) == data.tensors[1]).double().mean()
            stage.end_epoch(accuracy=right.item())
    return seen


@pytest.fixture
def open_run(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    """Opens runs in one directory, each saved at every step; closes what a test leaves open."""
    opened: list[Run] = []

    def opener(name: str = "run", **settings: Any) -> Run:
        for run in opened:
            run.close()
        opened.append(holdfast.open(tmp_path / name, **{"save_interval": 0.0, **settings}))
        return opened[-1]

    yield opener
    for run in opened:
        run.close()
