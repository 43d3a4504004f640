"""A checkpoint directory and a small model that has learnt something."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from holdfast.checkpoint import CheckpointManager


class Trained:
    """A model, an optimizer and a scheduler, with whatever state a few steps leave in them."""

    def __init__(self, seed: int = 0) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.model = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Linear(6, 2))
            self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-2)
            self.scheduler = torch.optim.lr_scheduler.StepLR(self.optimizer, step_size=2)
            for _ in range(3):
                self.optimizer.zero_grad()
                self.model(torch.randn(5, 4)).square().mean().backward()
                self.optimizer.step()
                self.scheduler.step()

    def checkpoint(self) -> dict[str, Any]:
        """Return the guide's arguments for its state."""
        return {
            "model_state_dict": self.model.state_dict(),
            "optimizer_state": self.optimizer.state_dict(),
            "scheduler_state": self.scheduler.state_dict(),
        }


@pytest.fixture
def trained() -> Trained:
    """A model that has taken three steps."""
    return Trained()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Where the checkpoints are."""
    return tmp_path / "checkpoints"


@pytest.fixture
def open_manager(directory: Path) -> Iterator[Callable[..., CheckpointManager]]:
    """Return a function that makes managers of the directory; all of them end with the test."""
    managers = []

    def make(**settings: Any) -> CheckpointManager:
        managers.append(CheckpointManager(directory, **settings))
        return managers[-1]

    yield make
    for manager in managers:
        manager.close()


@pytest.fixture
def manager(open_manager: Callable[..., CheckpointManager]) -> CheckpointManager:
    """One manager of the directory, for all fifteen backbones."""
    return open_manager()
