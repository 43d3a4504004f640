"""Dynamic convolution: every image gets its own mixture of kernels."""

import torch
from torch import nn
from torch.nn import functional as F

from holdfast.backbones.dynamic_convnet import TEMPERATURE, DynamicConv2d, KernelAttention


def decisive_layer(stride: int = 1) -> DynamicConv2d:
    """Return a layer of 4 kernels whose attention is far from uniform despite the temperature."""
    torch.manual_seed(0)
    layer = DynamicConv2d(6, 8, stride, kernels=4)
    nn.init.normal_(layer.attention.score.weight, std=TEMPERATURE)
    return layer


def test_each_image_meets_its_own_mixture() -> None:
    """The layer equals, image by image, a convolution with the kernels that attention mixed."""
    layer = decisive_layer(stride=2)
    images = torch.randn(3, 6, 9, 9)

    kernels = layer.bank.unflatten(0, (4, 8))
    mixtures = torch.einsum("nk,koihw->noihw", layer.attention(images), kernels)
    expected = [
        F.conv2d(images[i : i + 1], mixtures[i], stride=2, padding=1) for i in range(len(images))
    ]

    torch.testing.assert_close(layer(images), torch.cat(expected), rtol=1e-4, atol=1e-5)


def test_kernels_follow_the_image_and_nothing_else() -> None:
    """Another image gets another kernel; the same image the same one in whatever batch."""
    layer = decisive_layer()
    images = torch.randn(3, 6, 8, 8)

    kernels = layer.mixed_kernels(images)

    assert (kernels[0] - kernels[1]).abs().max() > 0.01
    torch.testing.assert_close(layer.mixed_kernels(images[1:])[0], kernels[1])


def test_temperature_flattens_the_attention() -> None:
    """Shares sum to one, and a lead of one whole temperature is worth a factor of e."""
    attention = KernelAttention(6, kernels=4)
    nn.init.zeros_(attention.score.weight)
    attention.score.bias.data = torch.tensor([TEMPERATURE, 0.0, 0.0, 0.0])

    shares = attention(torch.randn(2, 6, 4, 4))

    torch.testing.assert_close(shares.sum(1), torch.ones(2))
    torch.testing.assert_close(shares[:, 0] / shares[:, 1], torch.full((2,), torch.e))
