"""Deep Residual Learning for Image Recognition, He et al., arXiv:1512.03385, with the
activation of Mish: A Self Regularized Non-Monotonic Activation Function, Misra,
arXiv:1908.08681.

Bottleneck blocks (1x1 reduce, 3x3, 1x1 expand fourfold) learn what to add to their input.
Every ReLU of ResNet-50 becomes Mish, x * tanh(softplus(x)): smooth, and it lets small negative
values through, so no unit dies.

Stride sits on the 3x3 convolution, not the first 1x1, which would skip three pixels in four.
The tiny size has a 3x3 stem without max pooling and three stages.
"""

from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn

from holdfast.backbones.backbone import Backbone, ClassifierHead
from holdfast.backbones.layers import ConvNormAct
from holdfast.backbones.registry import Family, register

EXPANSION = 4


class Bottleneck(nn.Module):
    """Reduce, convolve, expand, add: (N, in, h, w) to (N, 4 width, h / stride, w / stride)."""

    def __init__(self, in_channels: int, width: int, stride: int) -> None:
        super().__init__()
        out_channels = width * EXPANSION
        self.body = nn.Sequential(
            ConvNormAct(in_channels, width, 1, act=nn.Mish),
            ConvNormAct(width, width, 3, stride, act=nn.Mish),
            ConvNormAct(width, out_channels, 1, act=None),
        )
        self.shortcut = nn.Sequential()
        if stride > 1 or in_channels != out_channels:
            self.shortcut.append(ConvNormAct(in_channels, out_channels, 1, stride, act=None))
        self.act = nn.Mish()

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.act(self.body(x) + self.shortcut(x))
        return out


class LargeStem(nn.Sequential):
    """ResNet's 7x7 stem and max pooling: (N, 3, H, W) to (N, channels, H / 4, W / 4)."""

    def __init__(self, channels: int) -> None:
        super().__init__(
            ConvNormAct(3, channels, 7, stride=2, act=nn.Mish), nn.MaxPool2d(3, 2, padding=1)
        )


class ResNetMish(Backbone):
    """A stem and stages of bottlenecks, each stage but the first at half the size.

    ``stem`` is "large" (7x7, max pooling: a quarter of the size) or "small" (3x3: half).
    """

    def __init__(
        self,
        *,
        num_classes: int,
        image_size: int,  # any size works
        widths: Sequence[int],
        depths: Sequence[int],
        stem: Literal["large", "small"] = "large",
    ) -> None:
        super().__init__()
        channels = widths[0]
        self.stem = (
            LargeStem(channels)
            if stem == "large"
            else ConvNormAct(3, channels, 3, stride=2, act=nn.Mish)
        )
        self.stages = nn.Sequential()
        for i, (width, depth) in enumerate(zip(widths, depths, strict=True)):
            self.stages.append(_build_stage(channels, width, depth, stride=2 if i else 1))
            channels = width * EXPANSION
        self.num_features = channels
        self.head = ClassifierHead(channels, num_classes)

    def forward_features(self, images: Tensor) -> Tensor:
        features: Tensor = self.stages(self.stem(images))
        return features


def _build_stage(in_channels: int, width: int, depth: int, stride: int) -> nn.Sequential:
    blocks = [Bottleneck(in_channels, width, stride)]
    blocks += [Bottleneck(width * EXPANSION, width, 1) for _ in range(depth - 1)]
    return nn.Sequential(*blocks)


register(
    Family(
        name="CustomResNetMish",
        paper="arXiv:1512.03385",
        title="Deep Residual Learning for Image Recognition",
        mechanism="bottleneck residual blocks with the smooth, non-monotonic Mish activation",
        build=ResNetMish,
        tiny={"widths": (12, 24, 64), "depths": (1, 2, 1), "stem": "small"},
        full={"widths": (64, 128, 256, 512), "depths": (3, 4, 6, 3)},
        notes="Mish (arXiv:1908.08681) for ReLU; stride on the 3x3; tiny: a 3x3 stem, three stages",
    )
)
