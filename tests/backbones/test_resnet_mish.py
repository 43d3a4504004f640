"""ResNet with Mish: residual bottlenecks, and an activation that is not a ReLU."""

import torch
from torch import nn
from torch.nn import functional as F

from holdfast.backbones.registry import create_backbone
from holdfast.backbones.resnet_mish import Bottleneck


def test_a_silent_bottleneck_passes_its_input_on() -> None:
    """With the branch's last norm at zero, only the shortcut and Mish are left."""
    block = Bottleneck(16, 4, stride=1)
    nn.init.zeros_(block.body[-1][1].weight)
    x = torch.randn(2, 16, 8, 8)

    torch.testing.assert_close(block(x), x * torch.tanh(F.softplus(x)))


def test_every_activation_is_mish() -> None:
    """Features are negative in places, never below Mish's minimum; no ReLU is left anywhere."""
    model = create_backbone("CustomResNetMish", size="tiny", num_classes=2, image_size=32).eval()
    with torch.no_grad():
        features = model.forward_features(torch.randn(2, 3, 32, 32))

    assert (features < 0).float().mean() > 0.1
    assert features.min() > -0.309
    assert not [m for m in model.modules() if isinstance(m, nn.ReLU)]


def test_striding_reads_every_pixel() -> None:
    """The stride is on the 3x3: an odd pixel, which a strided 1x1 would skip, still counts."""
    block = Bottleneck(4, 4, stride=2).eval()
    before = torch.randn(1, 4, 8, 8)
    after = before.clone()
    after[:, :, 3, 3] += 1.0

    with torch.no_grad():
        assert not torch.equal(block(before), block(after))
