"""Densely Connected Convolutional Networks.

Huang, Liu, van der Maaten, Weinberger, 2016, arXiv:1608.06993.

Every layer reads the concatenation of all maps made before it in its block and adds
``growth`` maps of its own, so features are reused rather than recomputed. This is
DenseNet-BC: a 1x1 bottleneck before each 3x3, and transitions that halve the channels.

"Hybrid" is our reading of the name: each transition first weighs the maps it is about to
compress by squeeze-and-excitation (arXiv:1709.01507), as the block hands it many maps of
very different age. Without that it is the paper's network.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from holdfast.backbones.backbone import Backbone, ClassifierHead
from holdfast.backbones.layers import ConvNormAct, SqueezeExcite
from holdfast.backbones.registry import Family, register

BOTTLENECK = 4  # times growth: what the 1x1 convolution leaves for the 3x3 to read
COMPRESSION = 0.5
SQUEEZE_RATIO = 16
SMALLEST_SQUEEZE = 8


class NormActConv(nn.Sequential):
    """BatchNorm, ReLU, convolution: the pre-activation order that concatenation asks for."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int) -> None:
        conv = nn.Conv2d(
            in_channels, out_channels, kernel_size, padding=kernel_size // 2, bias=False
        )
        nn.init.kaiming_normal_(conv.weight)
        super().__init__(nn.BatchNorm2d(in_channels), nn.ReLU(), conv)


class DenseLayer(nn.Module):
    """Appends ``growth`` new maps: (N, C, H, W) to (N, C + growth, H, W)."""

    def __init__(self, in_channels: int, growth: int) -> None:
        super().__init__()
        self.bottleneck = NormActConv(in_channels, BOTTLENECK * growth, 1)
        self.grow = NormActConv(BOTTLENECK * growth, growth, 3)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.grow(self.bottleneck(x))], 1)


class DenseBlock(nn.Sequential):
    """``depth`` dense layers, each reading the input and every layer before it."""

    def __init__(self, in_channels: int, growth: int, depth: int) -> None:
        super().__init__(*(DenseLayer(in_channels + i * growth, growth) for i in range(depth)))
        self.out_channels = in_channels + depth * growth


class Transition(nn.Sequential):
    """Weighs the channels, compresses them to ``out_channels``, halves the map."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        squeezed = max(SMALLEST_SQUEEZE, in_channels // SQUEEZE_RATIO)
        super().__init__(
            SqueezeExcite(in_channels, squeezed),
            NormActConv(in_channels, out_channels, 1),
            nn.AvgPool2d(2),
        )


class DenseNetHybrid(Backbone):
    """Stem, dense blocks of the given ``depths`` with transitions between, a last norm."""

    def __init__(
        self,
        *,
        num_classes: int,
        image_size: int,  # any size works
        growth: int,
        depths: Sequence[int],
        small_stem: bool = False,
    ) -> None:
        super().__init__()
        channels = 2 * growth
        self.stem = make_stem(channels, small_stem)
        self.blocks = nn.Sequential()
        for depth in depths:
            if len(self.blocks):
                self.blocks.append(Transition(channels, int(channels * COMPRESSION)))
                channels = int(channels * COMPRESSION)
            block = DenseBlock(channels, growth, depth)
            self.blocks.append(block)
            channels = block.out_channels
        self.norm = nn.BatchNorm2d(channels)
        self.num_features = channels
        self.head = ClassifierHead(channels, num_classes)

    def forward_features(self, images: Tensor) -> Tensor:
        return F.relu(self.norm(self.blocks(self.stem(images))))


def make_stem(channels: int, small: bool) -> nn.Module:
    """Return the ImageNet stem (size / 4), or for small images a 3x3 alone (size / 2)."""
    if small:
        return ConvNormAct(3, channels, 3, stride=2)
    return nn.Sequential(ConvNormAct(3, channels, 7, stride=2), nn.MaxPool2d(3, 2, padding=1))


register(
    Family(
        name="CustomDenseNetHybrid",
        paper="arXiv:1608.06993",
        title="Densely Connected Convolutional Networks",
        mechanism="each layer reads all maps before it; transitions weigh channels, then compress",
        build=DenseNetHybrid,
        tiny={"growth": 12, "depths": (2, 4, 6), "small_stem": True},
        full={"growth": 32, "depths": (6, 12, 24, 16)},
        notes="Hybrid, as we read it: squeeze-and-excitation in the transitions of DenseNet-121.",
    )
)
