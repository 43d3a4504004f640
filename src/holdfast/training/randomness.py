"""Order and randomness as pure functions of (seed, job, stage, epoch, step).

Nothing about a generator or a loader is ever saved: the position is enough to draw the same
permutation and the same augmentation again, in any process, with any number of workers.
"""

import hashlib
import random

import numpy as np
import torch
from numpy.typing import NDArray


def derive_seed(seed: int, *where: object) -> int:
    """Return a 63-bit seed for a place; two different places share one by chance only."""
    text = "\x1f".join([str(seed), *map(str, where)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def reseed(value: int) -> None:
    """Seed python's, numpy's and torch's global generators (cuda's too)."""
    random.seed(value)
    np.random.seed(value % 2**32)
    if torch.accelerator.is_available():
        torch.manual_seed(value)
    else:  # the same bits; manual_seed formats the stack for each kind of device that is not there
        torch.default_generator.manual_seed(value)


def epoch_order(count: int, seed: int) -> NDArray[np.int64]:
    """Return a permutation of ``range(count)``.

    It sorts raw random bits: numpy promises that stream for all versions, permutations not.
    """
    keys = np.random.PCG64(seed).random_raw(count)
    return np.argsort(keys, kind="stable").astype(np.int64)


def steps_per_epoch(count: int, batch_size: int) -> int:
    """Return how many batches `split_batches` makes of ``count`` samples."""
    whole, rest = divmod(count, batch_size)
    return whole + (rest > 1 or (rest == 1 and whole == 0))


def split_batches(order: NDArray[np.int64], batch_size: int) -> list[NDArray[np.int64]]:
    """Cut an order into batches; a lone last sample joins the batch before it.

    BatchNorm cannot learn from one sample.
    """
    cuts = [batch_size * i for i in range(1, steps_per_epoch(len(order), batch_size))]
    return np.split(order, cuts) if len(order) else []


def use_deterministic_kernels() -> None:
    """Make torch pick kernels that give the same bits each time, on CPU and cuda.

    On the CPU too: the backward of an indexed table adds atomically, in any order, without it.
    """
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False
