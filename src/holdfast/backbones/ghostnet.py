"""GhostNetV2: Enhance Cheap Operation with Long-Range Attention, Tang et al., arXiv:2211.12905.

Two ideas. A ghost module makes half of its channels by a 1x1 convolution and the other half
from those, by a cheap depthwise 3x3. And because the half that stays 1x1 sees no neighbours,
DFC (decoupled fully connected) attention gates the module: on a map of half the size it
aggregates along each row, then along each column, and the gate returns by nearest upsampling.

As in the authors' code, DFC's connections along a row or column are shared between positions
and span five cells of the halved map, as depthwise 1x5 and 5x1 convolutions: so any image size
works, and a map of up to six pixels a side is connected in full. Squeeze-excite ends in a
sigmoid, not its piecewise linear stand-in.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from holdfast.backbones.backbone import Backbone, ClassifierHead
from holdfast.backbones.layers import ConvNormAct, SqueezeExcite
from holdfast.backbones.registry import Family, register

REACH = 5
"""How many cells of the halved map DFC attention connects along a row or a column."""


class Row(NamedTuple):
    """One ghost bottleneck, in the columns of GhostNet's table; widths before scaling."""

    kernel: int
    hidden: int
    channels: int
    squeeze: bool
    stride: int


class GhostModule(nn.Module):
    """Half the channels computed, half cheap ghosts of them: (N, in, h, w) to (N, out, h, w)."""

    def __init__(self, in_channels: int, out_channels: int, *, act: bool = True) -> None:
        super().__init__()
        half = out_channels // 2
        activation = nn.ReLU if act else None
        self.primary = ConvNormAct(in_channels, half, 1, act=activation)
        self.cheap = ConvNormAct(half, half, 3, groups=half, act=activation)

    def forward(self, x: Tensor) -> Tensor:
        primary = self.primary(x)
        return torch.cat([primary, self.cheap(primary)], dim=1)


class DfcAttention(nn.Module):
    """A gate in (0, 1) from each position's row and column: (N, in, h, w) to (N, out, h, w)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.project = ConvNormAct(in_channels, out_channels, 1, act=None)
        self.along_row = ConvNormAct(
            out_channels, out_channels, (1, REACH), groups=out_channels, act=None
        )
        self.along_column = ConvNormAct(
            out_channels, out_channels, (REACH, 1), groups=out_channels, act=None
        )

    def forward(self, x: Tensor) -> Tensor:
        halved = F.avg_pool2d(x, 2, ceil_mode=True)  # ceil: a one pixel map stays one pixel
        gate = torch.sigmoid(self.along_column(self.along_row(self.project(halved))))
        return F.interpolate(gate, size=x.shape[-2:], mode="nearest")


class AttentiveGhostModule(GhostModule):
    """A ghost module whose output is multiplied by DFC attention on its input."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels)
        self.attention = DfcAttention(in_channels, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        gate: Tensor = self.attention(x)
        return super().forward(x) * gate


class GhostBottleneck(nn.Module):
    """Ghost expand, stride, squeeze-excite, ghost project, on a residual path."""

    def __init__(self, in_channels: int, row: Row, *, attention: bool) -> None:
        super().__init__()
        kernel, hidden, out_channels, squeeze, stride = row
        self.body = nn.Sequential(
            AttentiveGhostModule(in_channels, hidden)
            if attention
            else GhostModule(in_channels, hidden)
        )
        if stride > 1:
            self.body.append(ConvNormAct(hidden, hidden, kernel, stride, groups=hidden, act=None))
        if squeeze:
            self.body.append(SqueezeExcite(hidden, _divisible(hidden / 4)))
        self.body.append(GhostModule(hidden, out_channels, act=False))
        self.shortcut = nn.Sequential()
        if stride > 1 or in_channels != out_channels:
            self.shortcut = nn.Sequential(
                ConvNormAct(in_channels, in_channels, kernel, stride, in_channels, act=None),
                ConvNormAct(in_channels, out_channels, 1, act=None),
            )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.body(x) + self.shortcut(x)
        return out


class GhostNetV2(Backbone):
    """A stem, ghost bottlenecks, a 1x1 convolution, and a linear layer on the pooled vector.

    The first ``plain`` bottlenecks, on the largest maps, do without attention.
    """

    def __init__(
        self,
        *,
        num_classes: int,
        image_size: int,  # any size works
        rows: Sequence[Row],
        num_features: int,
        width: float = 1.0,
        plain: int = 2,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        rows = [_widen(row, width) for row in rows]
        channels = rows[0].channels
        self.stem = ConvNormAct(3, channels, 3, stride=2)
        self.blocks = nn.Sequential()
        for i, row in enumerate(rows):
            self.blocks.append(GhostBottleneck(channels, row, attention=i >= plain))
            channels = row.channels
        self.lift = ConvNormAct(channels, rows[-1].hidden, 1)
        self.widen = nn.Linear(rows[-1].hidden, num_features)
        nn.init.kaiming_normal_(self.widen.weight, nonlinearity="relu")
        nn.init.zeros_(self.widen.bias)
        self.num_features = num_features
        self.dropout = dropout
        self.reset_classifier(num_classes)

    def forward_features(self, images: Tensor) -> Tensor:
        features: Tensor = self.lift(self.blocks(self.stem(images)))
        return features

    def pool(self, features: Tensor) -> Tensor:
        return F.relu(self.widen(super().pool(features)))

    def reset_classifier(self, num_classes: int) -> None:
        self.head = ClassifierHead(self.num_features, num_classes, self.dropout)


def _widen(row: Row, width: float) -> Row:
    return row._replace(
        hidden=_divisible(row.hidden * width), channels=_divisible(row.channels * width)
    )


def _divisible(channels: float) -> int:
    """Round to a multiple of four, but never down by more than a tenth."""
    rounded = max(4, int(channels + 2) // 4 * 4)
    return rounded if rounded >= 0.9 * channels else rounded + 4


register(
    Family(
        name="CustomGhostNetV2",
        paper="arXiv:2211.12905",
        title="GhostNetV2: Enhance Cheap Operation with Long-Range Attention",
        mechanism="half the channels are cheap ghosts, gated by attention along rows and columns",
        build=GhostNetV2,
        tiny={
            "rows": (
                Row(3, 16, 16, squeeze=False, stride=1),
                Row(3, 48, 24, squeeze=False, stride=2),
                Row(3, 72, 24, squeeze=False, stride=1),
                Row(5, 96, 64, squeeze=True, stride=2),
                Row(3, 192, 64, squeeze=True, stride=1),
            ),
            "num_features": 256,
        },
        full={
            "rows": (
                Row(3, 16, 16, squeeze=False, stride=1),
                Row(3, 48, 24, squeeze=False, stride=2),
                Row(3, 72, 24, squeeze=False, stride=1),
                Row(5, 72, 40, squeeze=True, stride=2),
                Row(5, 120, 40, squeeze=True, stride=1),
                Row(3, 240, 80, squeeze=False, stride=2),
                Row(3, 200, 80, squeeze=False, stride=1),
                Row(3, 184, 80, squeeze=False, stride=1),
                Row(3, 184, 80, squeeze=False, stride=1),
                Row(3, 480, 112, squeeze=True, stride=1),
                Row(3, 672, 112, squeeze=True, stride=1),
                Row(5, 672, 160, squeeze=True, stride=2),
                Row(5, 960, 160, squeeze=False, stride=1),
                Row(5, 960, 160, squeeze=True, stride=1),
                Row(5, 960, 160, squeeze=False, stride=1),
                Row(5, 960, 160, squeeze=True, stride=1),
            ),
            "num_features": 1280,
            "width": 1.6,
            "dropout": 0.2,
        },
        notes="full is GhostNetV2 1.6x; squeeze-excite ends in a sigmoid, not a hard one",
    )
)
