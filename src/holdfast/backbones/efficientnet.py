"""EfficientNetV2: Smaller Models and Faster Training, Tan and Le, arXiv:2104.00298.

Depthwise convolutions save arithmetic but not time on large maps. So the early stages are
Fused-MBConv: one dense 3x3 convolution expands, one 1x1 projects. The late stages, small and
wide, are MBConv: 1x1 expand, depthwise 3x3, squeeze-excite, 1x1 project. A 1x1 convolution
lifts the last map to the feature width.

The full size is the paper's EfficientNetV2-S. The name V4 is the user's: no paper has it.
BatchNorm keeps torch's epsilon (1e-5; the authors' code has 1e-3).
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from torch import Tensor, nn

from holdfast.backbones.backbone import Backbone, ClassifierHead
from holdfast.backbones.layers import (
    Activation,
    ConvNormAct,
    DropPath,
    SqueezeExcite,
    drop_path_rates,
)
from holdfast.backbones.registry import Family, register


class Stage(NamedTuple):
    """One row of the paper's table 4; the first of the blocks strides and widens."""

    kind: Literal["fused", "mbconv"]
    expansion: int
    channels: int
    depth: int
    stride: int


class MBConv(nn.Module):
    """Inverted residual with depthwise convolution and squeeze-excite (arXiv:1801.04381)."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        expansion: int = 4,
        stride: int = 1,
        squeeze: float = 0.25,
        drop_path: float = 0.0,
        act: Activation = nn.SiLU,
    ) -> None:
        super().__init__()
        hidden = in_channels * expansion
        self.body = nn.Sequential(
            ConvNormAct(in_channels, hidden, 1, act=act),
            ConvNormAct(hidden, hidden, 3, stride, groups=hidden, act=act),
            SqueezeExcite(hidden, max(1, int(in_channels * squeeze)), act),
            ConvNormAct(hidden, out_channels, 1, act=None),
        )
        self.drop_path = DropPath(drop_path)
        self.residual = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.body(x)
        return x + self.drop_path(out) if self.residual else out


class FusedMBConv(nn.Module):
    """Inverted residual with one dense 3x3 convolution: (N, in, h, w) to (N, out, h', w')."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        expansion: int = 4,
        stride: int = 1,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        if expansion == 1:  # nothing was expanded, so there is nothing to project
            self.body = nn.Sequential(
                ConvNormAct(in_channels, out_channels, 3, stride, act=nn.SiLU)
            )
        else:
            hidden = in_channels * expansion
            self.body = nn.Sequential(
                ConvNormAct(in_channels, hidden, 3, stride, act=nn.SiLU),
                ConvNormAct(hidden, out_channels, 1, act=None),
            )
        self.drop_path = DropPath(drop_path)
        self.residual = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.body(x)
        return x + self.drop_path(out) if self.residual else out


class EfficientNetV2(Backbone):
    """A stem, stages of Fused-MBConv then MBConv, and a 1x1 convolution."""

    def __init__(
        self,
        *,
        num_classes: int,
        image_size: int,  # any size works
        stem: int,
        stages: Sequence[Stage],
        num_features: int,
        drop_path: float = 0.0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        rates = iter(drop_path_rates(sum(stage.depth for stage in stages), drop_path))
        self.stem = ConvNormAct(3, stem, 3, stride=2, act=nn.SiLU)
        self.stages = nn.Sequential()
        width = stem
        for stage in stages:
            self.stages.append(
                _build_stage(width, stage, [next(rates) for _ in range(stage.depth)])
            )
            width = stage.channels
        self.lift = ConvNormAct(width, num_features, 1, act=nn.SiLU)
        self.num_features = num_features
        self.dropout = dropout
        self.reset_classifier(num_classes)

    def forward_features(self, images: Tensor) -> Tensor:
        features: Tensor = self.lift(self.stages(self.stem(images)))
        return features

    def reset_classifier(self, num_classes: int) -> None:
        self.head = ClassifierHead(self.num_features, num_classes, self.dropout)


def _build_stage(in_channels: int, stage: Stage, drop_path: Sequence[float]) -> nn.Sequential:
    block = FusedMBConv if stage.kind == "fused" else MBConv
    return nn.Sequential(
        *(
            block(
                stage.channels if i else in_channels,
                stage.channels,
                expansion=stage.expansion,
                stride=1 if i else stage.stride,
                drop_path=rate,
            )
            for i, rate in enumerate(drop_path)
        )
    )


register(
    Family(
        name="CustomEfficientNetV4",
        paper="arXiv:2104.00298",
        title="EfficientNetV2: Smaller Models and Faster Training",
        mechanism="dense Fused-MBConv in the early stages, MBConv with squeeze-excite in the late",
        build=EfficientNetV2,
        tiny={
            "stem": 16,
            "stages": (
                Stage("fused", 1, 16, 1, 1),
                Stage("fused", 4, 32, 2, 2),
                Stage("mbconv", 4, 64, 2, 2),
                Stage("mbconv", 4, 80, 1, 1),
            ),
            "num_features": 192,
            "drop_path": 0.05,
        },
        full={
            "stem": 24,
            "stages": (
                Stage("fused", 1, 24, 2, 1),
                Stage("fused", 4, 48, 4, 2),
                Stage("fused", 4, 64, 4, 2),
                Stage("mbconv", 4, 128, 6, 2),
                Stage("mbconv", 6, 160, 9, 1),
                Stage("mbconv", 6, 256, 15, 2),
            ),
            "num_features": 1280,
            "drop_path": 0.2,
            "dropout": 0.2,
        },
        notes="full is EfficientNetV2-S; V4 is the user's name for it",
    )
)
