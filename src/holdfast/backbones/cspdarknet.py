"""CSPNet: A New Backbone that can Enhance Learning Capability of CNN, Wang et al.,
arXiv:1911.11929, on Darknet-53 (YOLOv3, Redmon and Farhadi, arXiv:1804.02767).

A cross-stage partial stage splits its channels in two. One part passes the residual blocks and
a transition; the other goes around them. Both meet in a concatenation and a second transition,
so that the gradients of the two parts never repeat each other and the blocks cost half.

As in the authors' Darknet configuration, a 1x1 convolution after the downsampling prepares the
split, and the first stage keeps the full width in each part.
"""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

from holdfast.backbones.backbone import Backbone, ClassifierHead
from holdfast.backbones.layers import ConvNormAct
from holdfast.backbones.registry import Family, register

LeakyReLU = partial(nn.LeakyReLU, 0.1)


class DarkBlock(nn.Module):
    """Darknet's residual block, 1x1 then 3x3: (N, channels, h, w) to the same."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            ConvNormAct(channels, hidden, 1, act=LeakyReLU),
            ConvNormAct(hidden, channels, 3, act=LeakyReLU),
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.body(x)
        return out


class CrossStage(nn.Module):
    """Halve the map, split, blocks on one part, join: (N, in, h, w) to (N, out, h / 2, w / 2).

    ``part`` is how many channels each of the two parts has.
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, depth: int, part: int, hidden: int
    ) -> None:
        super().__init__()
        self.downsample = ConvNormAct(in_channels, out_channels, 3, stride=2, act=LeakyReLU)
        self.prepare = ConvNormAct(out_channels, 2 * part, 1, act=LeakyReLU)
        self.blocks = nn.Sequential(*(DarkBlock(part, hidden) for _ in range(depth)))
        self.transition = ConvNormAct(part, part, 1, act=LeakyReLU)
        self.join = ConvNormAct(2 * part, out_channels, 1, act=LeakyReLU)

    def forward(self, x: Tensor) -> Tensor:
        around, through = self.prepare(self.downsample(x)).chunk(2, dim=1)
        through = self.transition(self.blocks(through))
        out: Tensor = self.join(torch.cat([around, through], dim=1))
        return out


class CSPDarkNet(Backbone):
    """A 3x3 stem and cross-stage partial stages, each at half the size."""

    def __init__(
        self,
        *,
        num_classes: int,
        image_size: int,  # any size works
        stem: int,
        widths: Sequence[int],
        depths: Sequence[int],
    ) -> None:
        super().__init__()
        self.stem = ConvNormAct(3, stem, 3, act=LeakyReLU)
        self.stages = nn.Sequential()
        channels = stem
        for i, (width, depth) in enumerate(zip(widths, depths, strict=True)):
            part = width // 2 if i else width
            hidden = part if i else width // 2
            self.stages.append(CrossStage(channels, width, depth=depth, part=part, hidden=hidden))
            channels = width
        self.num_features = channels
        self.head = ClassifierHead(channels, num_classes)

    def forward_features(self, images: Tensor) -> Tensor:
        features: Tensor = self.stages(self.stem(images))
        return features


register(
    Family(
        name="CustomCSPDarkNet",
        paper="arXiv:1911.11929",
        title="CSPNet: A New Backbone that can Enhance Learning Capability of CNN",
        mechanism="half the channels pass the residual blocks, half go around, and both are joined",
        build=CSPDarkNet,
        tiny={"stem": 12, "widths": (24, 64, 128), "depths": (1, 2, 1)},
        full={"stem": 32, "widths": (64, 128, 256, 512, 1024), "depths": (1, 2, 8, 8, 4)},
        notes="full is CSPDarknet53; tiny: three stages",
    )
)
