"""Inception-v4: what each kind of block can see."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from holdfast.backbones import inception
from holdfast.backbones.backbone import count_parameters
from holdfast.backbones.registry import create_backbone

EIGHTH = inception.ScaledConv(0.125)


def seen_by_centre(block: nn.Module, channels: int, size: int) -> torch.Tensor:
    """Return which pixels (size, size) the middle output pixel depends on."""
    images = torch.rand(2, channels, size, size, requires_grad=True)
    block.eval()(images)[:, :, size // 2, size // 2].sum().backward()
    return images.grad.abs().sum((0, 1)) > 0


@pytest.mark.parametrize(
    ("kind", "channels", "reach"), [(inception.InceptionA, 48, 5), (inception.InceptionB, 128, 13)]
)
def test_stacked_kernels_see_a_square(
    kind: Callable[[inception.ScaledConv], nn.Module], channels: int, reach: int
) -> None:
    """Two 3x3 kernels see 5x5 pixels, and 1x7 with 7x1, twice, see 13x13: no more, no less."""
    torch.manual_seed(0)
    margin = 2
    size = reach + 2 * margin

    seen = seen_by_centre(kind(EIGHTH), channels, size)

    expected = torch.zeros(size, size, dtype=torch.bool)
    expected[margin:-margin, margin:-margin] = True
    assert torch.equal(seen, expected)


def test_forked_branch_sees_a_cross() -> None:
    """The fork of block C looks further along each axis, one at a time: never the corners."""
    torch.manual_seed(0)

    seen = seen_by_centre(inception.InceptionC(EIGHTH), 192, 5)

    expected = torch.ones(5, 5, dtype=torch.bool)
    expected[[0, 0, 4, 4], [0, 4, 0, 4]] = False
    assert torch.equal(seen, expected)


def test_full_size_is_the_published_network() -> None:
    """At width 1 and 1000 classes there are the 42.68 million parameters of Inception-v4."""
    model = create_backbone("CustomInceptionV4", size="full", num_classes=1000, image_size=224)

    assert count_parameters(model) == 42_679_816
