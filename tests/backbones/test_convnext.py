"""ConvNeXt: what one block mixes, and how it starts."""

import pytest
import torch

from holdfast.backbones.convnext import ConvNeXt, ConvNeXtBlock
from holdfast.backbones.registry import find_family
from holdfast.errors import ConfigError


def test_space_is_mixed_channel_by_channel_then_channels_pixel_by_pixel() -> None:
    """One value reaches its 7x7 in its own channel, and from there every channel in place."""
    block = ConvNeXtBlock(4, drop_path=0.0, layer_scale=1.0).double()
    before = torch.randn(1, 4, 15, 15).double()  # float32 would round small changes away
    after = before.clone()
    after[0, 2, 7, 7] += 1.0

    near = torch.zeros(15, 15, dtype=torch.bool)
    near[4:11, 4:11] = True
    expected = torch.zeros(1, 4, 15, 15, dtype=torch.bool)
    expected[0, 2] = near
    assert torch.equal(block.depthwise(before) != block.depthwise(after), expected)
    assert torch.equal(block(before) != block(after), near.expand(1, 4, 15, 15))


def test_layer_scale_holds_each_channel_back() -> None:
    """A channel whose scale is zero passes the block untouched; the others do not."""
    block = ConvNeXtBlock(4, drop_path=0.0, layer_scale=1.0)
    with torch.no_grad():
        block.scale[1] = 0.0
    x = torch.randn(2, 4, 8, 8)

    moved = (block(x) - x).abs().amax((0, 2, 3)) > 0

    assert moved.tolist() == [True, False, True, True]


def test_an_image_smaller_than_one_feature_is_refused() -> None:
    """An image that the strides would shrink to nothing is refused, with the smallest size."""
    full = find_family("CustomConvNeXt").full

    with pytest.raises(ConfigError, match="use 32 or more"):
        ConvNeXt(num_classes=2, image_size=16, **full)
