"""Order and randomness as functions of the position."""

import random

import numpy as np
import pytest
import torch

from holdfast.training.randomness import (
    derive_seed,
    epoch_order,
    reseed,
    split_batches,
    steps_per_epoch,
)


def test_seed_is_pinned() -> None:
    """A run begun today is continued by the releases to come: these numbers never change."""
    assert derive_seed(42, "CustomConvNeXt", "head", 0, "order") == 120087281142355509
    assert epoch_order(8, 42).tolist() == [4, 1, 3, 6, 0, 7, 2, 5]


def test_every_place_has_its_own_seed() -> None:
    """Neighbouring places, and places whose texts join alike, draw different numbers."""
    places = [("a", 1, 2), ("a", 12), ("a1", 2), ("a", 2, 1), ("a",), ("a", "")]

    assert len({derive_seed(0, *place) for place in places}) == len(places)


def test_reseed_reaches_python_numpy_and_torch() -> None:
    """One call, and all three global generators give the same again."""

    def draw() -> tuple[float, float, float]:
        reseed(2**62 + 5)
        return random.random(), float(np.random.rand()), torch.rand(()).item()

    assert draw() == draw()


@pytest.mark.parametrize("seed", [0, 42, 2**63 - 1])
def test_reseed_is_torchs_manual_seed(seed: int) -> None:
    """The bits are those of torch.manual_seed, for anybody who compares with another loop."""
    reseed(seed)
    drawn = torch.rand(3), torch.initial_seed()
    torch.manual_seed(seed)

    assert torch.equal(drawn[0], torch.rand(3))
    assert drawn[1] == torch.initial_seed()


@pytest.mark.parametrize(
    ("count", "sizes"), [(0, []), (1, [1]), (8, [4, 4]), (9, [4, 5]), (10, [4, 4, 2]), (3, [3])]
)
def test_batches_cover_all_and_leave_no_lone_sample(count: int, sizes: list[int]) -> None:
    """BatchNorm cannot learn from one sample: a lone last one joins the batch before it."""
    batches = split_batches(np.arange(count), 4)

    assert [len(batch) for batch in batches] == sizes
    assert np.array_equal(np.concatenate([np.arange(0), *batches]), np.arange(count))
    assert steps_per_epoch(count, 4) == len(sizes)
