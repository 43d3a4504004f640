"""RegNet: the rule that lays out its widths, and the block it repeats."""

import pytest
import torch

from holdfast.backbones.backbone import count_parameters
from holdfast.backbones.registry import create_backbone
from holdfast.backbones.regnet import YBlock, plan_stages


@pytest.mark.parametrize(
    ("line", "widths", "depths"),
    [
        ((48, 27.89, 2.09, 16, 8), (48, 104, 208, 440), (1, 3, 6, 6)),
        ((96, 31.41, 2.24, 22, 64), (128, 192, 512, 1088), (2, 6, 12, 2)),
        ((112, 33.22, 2.27, 25, 72), (144, 288, 576, 1296), (2, 7, 14, 2)),
        ((192, 76.82, 2.19, 17, 56), (168, 448, 896, 2016), (2, 4, 10, 1)),
    ],
    ids=["400MF", "4.0GF", "6.4GF", "8.0GF"],
)
def test_line_gives_the_published_stages(
    line: tuple[int, float, float, int, int], widths: tuple[int, ...], depths: tuple[int, ...]
) -> None:
    """The quantised line reproduces the paper's table of RegNetY models."""
    w0, wa, wm, depth, group_width = line

    stages = plan_stages(w0=w0, wa=wa, wm=wm, depth=depth, group_width=group_width)

    assert tuple(stage.width for stage in stages) == widths
    assert tuple(stage.depth for stage in stages) == depths


def test_groups_keep_to_themselves() -> None:
    """The 3x3 convolution mixes channels inside a group of the fixed width only."""
    torch.manual_seed(0)
    grouped = YBlock(24, 24, stride=1, group_width=8).body[1].eval()
    x = torch.randn(1, 24, 4, 4)
    changed = x.clone()
    changed[:, 8] += 10.0

    moved = (grouped(x) != grouped(changed)).flatten(2).any(2)[0]

    assert moved[8:16].any()
    assert not moved[:8].any()
    assert not moved[16:].any()


def test_squeeze_reaches_past_the_kernel() -> None:
    """One pixel moves the far corner of a Y block, which a 3x3 alone could not see."""
    torch.manual_seed(0)
    block = YBlock(16, 16, stride=1, group_width=8).eval()
    x = torch.rand(1, 16, 8, 8)
    changed = x.clone()
    changed[:, :, 0, 0] += 10.0

    assert not torch.equal(block(x)[..., 7, 7], block(changed)[..., 7, 7])


def test_full_size_is_the_published_network() -> None:
    """With 1000 classes there are the 30.58 million parameters of RegNetY-6.4GF."""
    model = create_backbone("CustomRegNet", size="full", num_classes=1000, image_size=224)

    assert count_parameters(model) == 30_583_252
