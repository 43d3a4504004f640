"""Inception-v4, Inception-ResNet and the Impact of Residual Connections on Learning.

Szegedy, Ioffe, Vanhoucke, Alemi, 2016, arXiv:1602.07261.

Every block looks at its input through parallel branches of different reach and
concatenates what they saw; a wide kernel is factorised into 1xn and nx1. Channel counts
below are the paper's (figures 3 to 9), multiplied by one ``width``.

We pad where the paper does not (its "V" convolutions), so that a map keeps
ceil(size / stride) and small images work: at 224 px the grids are then 28, 14 and 7.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from holdfast.backbones.backbone import Backbone, ClassifierHead
from holdfast.backbones.layers import ConvNormAct
from holdfast.backbones.registry import Family, register

HEAD_DROPOUT = 0.2  # the paper keeps 0.8


@dataclass(frozen=True)
class ScaledConv:
    """Builds convolutions from the paper's channel counts, times ``width``."""

    width: float

    def channels(self, paper: int) -> int:
        """Scale one of the paper's channel counts."""
        return int(paper * self.width)

    def __call__(
        self, inputs: int, outputs: int, kernel: int | tuple[int, int] = 1, stride: int = 1
    ) -> ConvNormAct:
        return ConvNormAct(self.channels(inputs), self.channels(outputs), kernel, stride)


class Concat(nn.ModuleList):
    """Runs branches side by side: (N, C, H, W) to (N, sum of their channels, h, w)."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self], 1)


class Stem(nn.Sequential):
    """Images to 384 channels (figure 3); pooling and convolution share each reduction."""

    def __init__(self, conv: ScaledConv, strides: Sequence[int]) -> None:
        first, second, third = strides
        super().__init__(
            ConvNormAct(3, conv.channels(32), 3, first),
            conv(32, 32, 3),
            conv(32, 64, 3),
            Concat([max_pool(second), conv(64, 96, 3, second)]),
            Concat(
                [
                    nn.Sequential(conv(160, 64), conv(64, 96, 3)),
                    nn.Sequential(
                        conv(160, 64), conv(64, 64, (7, 1)), conv(64, 64, (1, 7)), conv(64, 96, 3)
                    ),
                ]
            ),
            Concat([conv(192, 192, 3, third), max_pool(third)]),
        )


class InceptionA(Concat):
    """384 to 384 channels (figure 4): reaches of 1, 3 and 5 pixels."""

    def __init__(self, conv: ScaledConv) -> None:
        super().__init__(
            [
                nn.Sequential(average_pool(), conv(384, 96)),
                conv(384, 96),
                nn.Sequential(conv(384, 64), conv(64, 96, 3)),
                nn.Sequential(conv(384, 64), conv(64, 96, 3), conv(96, 96, 3)),
            ]
        )


class ReductionA(Concat):
    """384 to 1024 channels at half the size (figure 7)."""

    def __init__(self, conv: ScaledConv) -> None:
        super().__init__(
            [
                max_pool(2),
                conv(384, 384, 3, 2),
                nn.Sequential(conv(384, 192), conv(192, 224, 3), conv(224, 256, 3, 2)),
            ]
        )


class InceptionB(Concat):
    """1024 to 1024 channels (figure 5): reaches of 1, 7 and 13 pixels, factorised."""

    def __init__(self, conv: ScaledConv) -> None:
        super().__init__(
            [
                nn.Sequential(average_pool(), conv(1024, 128)),
                conv(1024, 384),
                nn.Sequential(conv(1024, 192), conv(192, 224, (1, 7)), conv(224, 256, (7, 1))),
                nn.Sequential(
                    conv(1024, 192),
                    conv(192, 192, (1, 7)),
                    conv(192, 224, (7, 1)),
                    conv(224, 224, (1, 7)),
                    conv(224, 256, (7, 1)),
                ),
            ]
        )


class ReductionB(Concat):
    """1024 to 1536 channels at half the size (figure 8)."""

    def __init__(self, conv: ScaledConv) -> None:
        super().__init__(
            [
                max_pool(2),
                nn.Sequential(conv(1024, 192), conv(192, 192, 3, 2)),
                nn.Sequential(
                    conv(1024, 256),
                    conv(256, 256, (1, 7)),
                    conv(256, 320, (7, 1)),
                    conv(320, 320, 3, 2),
                ),
            ]
        )


class InceptionC(Concat):
    """1536 to 1536 channels (figure 6): two branches fork into 1x3 beside 3x1."""

    def __init__(self, conv: ScaledConv) -> None:
        super().__init__(
            [
                nn.Sequential(average_pool(), conv(1536, 256)),
                conv(1536, 256),
                nn.Sequential(
                    conv(1536, 384), Concat([conv(384, 256, (1, 3)), conv(384, 256, (3, 1))])
                ),
                nn.Sequential(
                    conv(1536, 384),
                    conv(384, 448, (1, 3)),
                    conv(448, 512, (3, 1)),
                    Concat([conv(512, 256, (3, 1)), conv(512, 256, (1, 3))]),
                ),
            ]
        )


class InceptionV4(Backbone):
    """Stem, then ``depths`` blocks of kinds A, B and C with a reduction between kinds."""

    def __init__(
        self,
        *,
        num_classes: int,
        image_size: int,  # any size works
        depths: tuple[int, int, int],
        width: float,
        stem_strides: Sequence[int],
    ) -> None:
        super().__init__()
        conv = ScaledConv(width)
        self.stem = Stem(conv, stem_strides)
        self.blocks = nn.Sequential(
            *(InceptionA(conv) for _ in range(depths[0])),
            ReductionA(conv),
            *(InceptionB(conv) for _ in range(depths[1])),
            ReductionB(conv),
            *(InceptionC(conv) for _ in range(depths[2])),
        )
        self.num_features = conv.channels(1536)
        self.reset_classifier(num_classes)

    def forward_features(self, images: Tensor) -> Tensor:
        features: Tensor = self.blocks(self.stem(images))
        return features

    def reset_classifier(self, num_classes: int) -> None:
        self.head = ClassifierHead(self.num_features, num_classes, HEAD_DROPOUT)


def average_pool() -> nn.AvgPool2d:
    """Return the 3x3 mean at stride 1, over the pixels that exist."""
    return nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)


def max_pool(stride: int) -> nn.MaxPool2d:
    """Return the 3x3 maximum that runs beside a strided convolution."""
    return nn.MaxPool2d(3, stride, padding=1)


register(
    Family(
        name="CustomInceptionV4",
        paper="arXiv:1602.07261",
        title="Inception-v4, Inception-ResNet and the Impact of Residual Connections on Learning",
        mechanism="parallel branches of different reach, concatenated; 1xn and nx1 kernels",
        build=InceptionV4,
        tiny={"depths": (1, 1, 1), "width": 0.125, "stem_strides": (2, 2, 1)},
        full={"depths": (4, 7, 3), "width": 1.0, "stem_strides": (2, 2, 2)},
        notes="Padded everywhere, so that images from 32 px up work; 224 px in place of 299.",
    )
)
