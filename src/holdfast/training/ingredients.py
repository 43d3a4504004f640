"""What a job trains with."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from holdfast.training.ranks import ALONE, Ranks


@dataclass(frozen=True)
class Ingredients:
    """What a job trains with; the pipeline brings them, the loop knows no more of them.

    ``augment`` and ``normalise`` take raw images (N, R, R, 3) uint8 on the training device to
    the model's input (N, 3, S, S); ``enter_stage`` sets what a stage freezes. With
    ``fixed_images`` the sets give the same images each time, so that what a frozen body makes
    of them may be kept. ``ranks`` are the processes that train the job together.
    """

    model: nn.Module
    train: Any
    val: Any
    augment: Callable[[Tensor], Tensor]
    normalise: Callable[[Tensor], Tensor]
    enter_stage: Callable[[str], None]
    device: torch.device
    autocast: torch.dtype | None = None
    fixed_images: bool = False
    ranks: Ranks = ALONE

    def precision(self) -> torch.autocast:
        """Return the context in which a forward pass runs."""
        dtype = self.autocast or torch.float32
        return torch.autocast(self.device.type, dtype, enabled=self.autocast is not None)
