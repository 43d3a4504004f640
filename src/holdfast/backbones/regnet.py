"""Designing Network Design Spaces.

Radosavovic, Kosaraju, Girshick, He, Dollár, 2020, arXiv:2003.13678.

A RegNet is not drawn stage by stage: the widths of all blocks follow one straight line
w0 + wa * j, quantised to powers of wm (section 3.3), and blocks of equal width become a
stage. The Y variant adds squeeze-and-excitation to every residual bottleneck, whose 3x3
convolution works in groups of a fixed width and whose bottleneck ratio is 1.
"""

import math
from itertools import groupby
from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional as F

from holdfast.backbones.backbone import Backbone, ClassifierHead
from holdfast.backbones.layers import ConvNormAct, SqueezeExcite
from holdfast.backbones.registry import Family, register

SQUEEZE_RATIO = 0.25
SMALLEST_SQUEEZE = 8


class Stage(NamedTuple):
    """Blocks of one width, the first of which halves the map."""

    width: int
    depth: int


def plan_stages(*, w0: int, wa: float, wm: float, depth: int, group_width: int) -> list[Stage]:
    """Return the stages of a RegNet: the paper's quantised linear parameterisation.

    Block j wants width u = w0 + wa * j; it gets w0 * wm ** s for the whole number s that
    comes nearest on a log scale, rounded to a multiple of 8 and then of the group width.
    """
    wanted = [w0 + wa * j for j in range(depth)]
    exponents = [round(math.log(u / w0, wm)) for u in wanted]
    widths = [round(w0 * wm**exponent / 8) * 8 for exponent in exponents]
    fitted = [to_whole_groups(width, group_width) for width in widths]
    return [Stage(width, len(list(blocks))) for width, blocks in groupby(fitted)]


def to_whole_groups(width: int, group_width: int) -> int:
    """Round ``width`` so that it divides into groups, as section 3.3 does for a ratio of 1."""
    group = min(group_width, width)
    return round(width / group) * group


class YBlock(nn.Module):
    """Residual bottleneck of ratio 1: 1x1, grouped 3x3, squeeze-excite, 1x1."""

    def __init__(self, in_width: int, width: int, stride: int, group_width: int) -> None:
        super().__init__()
        groups = width // min(group_width, width)
        squeezed = max(SMALLEST_SQUEEZE, round(in_width * SQUEEZE_RATIO))
        self.body = nn.Sequential(
            ConvNormAct(in_width, width, 1),
            ConvNormAct(width, width, 3, stride, groups),
            SqueezeExcite(width, squeezed),
            ConvNormAct(width, width, 1, act=None),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_width != width:
            self.shortcut = ConvNormAct(in_width, width, 1, stride, act=None)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.shortcut(x) + self.body(x))


class RegNet(Backbone):
    """A 3x3 stem of stride 2, then the stages that `plan_stages` lays out."""

    def __init__(
        self,
        *,
        num_classes: int,
        image_size: int,  # any size works
        w0: int,
        wa: float,
        wm: float,
        depth: int,
        group_width: int,
        stem_width: int = 32,
    ) -> None:
        super().__init__()
        self.stem = ConvNormAct(3, stem_width, 3, stride=2)
        self.blocks = nn.Sequential()
        in_width = stem_width
        for stage in plan_stages(w0=w0, wa=wa, wm=wm, depth=depth, group_width=group_width):
            for i in range(stage.depth):
                self.blocks.append(YBlock(in_width, stage.width, 1 if i else 2, group_width))
                in_width = stage.width
        self.num_features = in_width
        self.head = ClassifierHead(in_width, num_classes)

    def forward_features(self, images: Tensor) -> Tensor:
        features: Tensor = self.blocks(self.stem(images))
        return features


register(
    Family(
        name="CustomRegNet",
        paper="arXiv:2003.13678",
        title="Designing Network Design Spaces",
        mechanism="block widths on one quantised line w0 + wa * j; grouped bottlenecks with SE",
        build=RegNet,
        tiny={
            "w0": 32,
            "wa": 20.0,
            "wm": 2.0,
            "depth": 5,
            "group_width": 16,
            "stem_width": 16,
        },
        full={"w0": 112, "wa": 33.22, "wm": 2.27, "depth": 25, "group_width": 72},
        notes="full is the paper's RegNetY-6.4GF; tiny has fewer stages, of the same rule.",
    )
)
