"""Optimizer and schedule of a stage."""

import math
from collections.abc import Iterable
from functools import partial

import torch
from torch import nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR

from holdfast.config import StageConfig


def make_optimizer(model: nn.Module, settings: StageConfig) -> AdamW:
    """Return AdamW (arXiv:1711.05101) over what the stage trains.

    Weight decay is kept from vectors: biases, normalisation scales and the like.
    """
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in learning if p.ndim > 1], "weight_decay": settings.weight_decay},
        {"params": [p for p in learning if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return AdamW([g for g in groups if g["params"]], lr=settings.learning_rate, fused=True)


def make_scheduler(
    optimizer: AdamW, settings: StageConfig, epochs: int, steps_per_epoch: int
) -> LambdaLR:
    """Return linear warm-up, then a cosine to zero (arXiv:1608.03983), advanced each step."""
    total = epochs * steps_per_epoch
    warmup = min(round(settings.warmup_epochs * steps_per_epoch), total // 2)
    return LambdaLR(optimizer, partial(_share_of_peak, warmup=warmup, total=total))


def clip_gradients(parameters: Iterable[nn.Parameter], norm: float) -> None:
    """Scale the gradients down to a global ``norm``, where they exceed it."""
    torch.nn.utils.clip_grad_norm_(parameters, norm, foreach=True)


def _share_of_peak(step: int, *, warmup: int, total: int) -> float:
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(total - warmup, 1)))
