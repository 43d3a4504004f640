"""DenseNet hybrid: dense connections, and weighing at the transitions."""

import torch
from torch import nn

from holdfast.backbones.backbone import count_parameters
from holdfast.backbones.densenet_hybrid import DenseBlock, Transition
from holdfast.backbones.layers import SqueezeExcite
from holdfast.backbones.registry import create_backbone


def test_layers_append_and_never_rewrite() -> None:
    """Each layer's output begins with everything it was given, unchanged."""
    torch.manual_seed(0)
    block = DenseBlock(8, growth=4, depth=3).eval()
    maps = torch.randn(2, 8, 6, 6)

    for layer in block:
        grown = layer(maps)
        assert torch.equal(grown[:, : maps.shape[1]], maps)
        assert grown.shape[1] == maps.shape[1] + 4
        maps = grown


def test_last_layer_reads_every_earlier_one() -> None:
    """The maps a last layer adds depend on the block's input and on each layer's maps."""
    torch.manual_seed(0)
    block = DenseBlock(8, growth=4, depth=3).eval()
    maps = torch.randn(2, 16, 6, 6, requires_grad=True)

    block[2](maps)[:, 16:].sum().backward()

    read = maps.grad.abs().sum((0, 2, 3)) > 0
    assert read.all()


def test_transition_can_silence_a_channel() -> None:
    """A gate closed by squeeze-and-excitation removes a map before it is compressed."""
    torch.manual_seed(0)
    transition = Transition(16, 8).eval()
    x = torch.rand(2, 16, 4, 4)
    changed = x.clone()
    changed[:, 3, 1, 1] += 1.0
    changed[:, 3, 2, 2] -= 1.0  # the mean that the gates see stays as it was
    assert not torch.allclose(transition(x), transition(changed), atol=1e-4)

    nn.init.constant_(transition[0].expand.bias[3:4], -100.0)

    assert torch.allclose(transition(x), transition(changed), atol=1e-6)


def test_without_the_hybrid_it_is_densenet_121() -> None:
    """Less its squeeze-and-excitation, full has DenseNet-121's published parameter count."""
    model = create_backbone("CustomDenseNetHybrid", size="full", num_classes=1000, image_size=224)
    gates = [module for module in model.modules() if isinstance(module, SqueezeExcite)]

    assert len(gates) == 3
    assert count_parameters(model) - sum(map(count_parameters, gates)) == 7_978_856
