"""MobileOne: An Improved One Millisecond Mobile Backbone.

Vasu, Gabriel, Zhu, Tuzel, Ranjan, 2022, arXiv:2206.04040.

While it trains, every depthwise and every pointwise convolution is a sum of branches: k
convolutions, a 1x1 one, and the input itself, each with its own BatchNorm. All of that is
linear, so once trained each sum is folded into one convolution with bias: a plain network
with the same output. `MobileOne.reparameterize` does the folding.

The squeeze-and-excitation of the largest variant (S4) is left out: we build S3.
"""

import copy
from collections.abc import Iterable, Sequence
from functools import reduce
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from holdfast.backbones.backbone import Backbone, ClassifierHead
from holdfast.backbones.layers import ConvNormAct
from holdfast.backbones.registry import Family, register


class BranchedConv(nn.Module):
    """A convolution over-parameterised as a sum of branches, foldable into one.

    (N, in_channels, H, W) to (N, out_channels, H / stride, W / stride), in ``groups``.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        branches: int,
        stride: int = 1,
        groups: int = 1,
    ) -> None:
        super().__init__()
        self.in_channels, self.out_channels = in_channels, out_channels
        self.kernel_size, self.stride, self.groups = kernel_size, stride, groups
        self.convs = nn.ModuleList(
            ConvNormAct(in_channels, out_channels, kernel_size, stride, groups, act=None)
            for _ in range(branches)
        )
        self.scale: ConvNormAct | None = None
        if kernel_size > 1:
            self.scale = ConvNormAct(in_channels, out_channels, 1, groups=groups, act=None)
        self.skip: nn.BatchNorm2d | None = None
        if stride == 1 and in_channels == out_channels:
            self.skip = nn.BatchNorm2d(in_channels)

    def forward(self, x: Tensor) -> Tensor:
        out = sum_all(conv(x) for conv in self.convs)
        if self.scale is not None:
            # not a strided 1x1: on few channels its CPU gradient corrupts memory (torch 2.13)
            out = out + self.scale(x[:, :, :: self.stride, :: self.stride])
        return out if self.skip is None else out + self.skip(x)

    @torch.no_grad()
    def fold(self) -> nn.Conv2d:
        """Return the one convolution that equals the branches in evaluation mode."""
        convs = [*self.convs] if self.scale is None else [*self.convs, self.scale]
        folded = [
            fold_norm(conv.get_parameter("0.weight"), cast(nn.BatchNorm2d, conv.get_submodule("1")))
            for conv in convs
        ]
        if self.skip is not None:
            folded.append(fold_norm(identity_kernel(self.out_channels, self.groups), self.skip))
        plain = self._new_conv()
        plain.load_state_dict(
            {
                "weight": sum_all(self._grown(kernel) for kernel, _ in folded),
                "bias": sum_all(bias for _, bias in folded),
            }
        )
        return plain

    def _grown(self, kernel: Tensor) -> Tensor:
        """Return ``kernel`` (out, in / groups, k, k) with zeros around it, up to our size."""
        margin = (self.kernel_size - kernel.shape[-1]) // 2
        return F.pad(kernel, [margin] * 4)

    def _new_conv(self) -> nn.Conv2d:
        """Return a convolution of our shape, without moving torch's generator."""
        with torch.random.fork_rng(devices=[]):  # a fresh layer draws initial values
            conv = nn.Conv2d(
                self.in_channels,
                self.out_channels,
                self.kernel_size,
                self.stride,
                self.kernel_size // 2,
                groups=self.groups,
            )
        return conv.to(next(self.parameters()))


def sum_all(terms: Iterable[Tensor]) -> Tensor:
    """Add tensors of one shape."""
    return reduce(torch.add, terms)


def identity_kernel(channels: int, groups: int) -> Tensor:
    """Return the 1x1 kernel (channels, channels / groups, 1, 1) that changes nothing."""
    return nn.init.dirac_(torch.empty(channels, channels // groups, 1, 1), groups)


def fold_norm(kernel: Tensor, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Return kernel and bias, in float64, of a convolution and the norm that follows it."""
    mean, variance = norm.get_buffer("running_mean"), norm.get_buffer("running_var")
    scale = norm.weight.double() / (variance.double() + norm.eps).sqrt()
    bias = norm.bias.double() - mean.double() * scale
    return kernel.to(scale) * scale[:, None, None, None], bias


class MobileOneBlock(nn.Sequential):
    """Depthwise 3x3, then pointwise, each over-parameterised and followed by ReLU."""

    def __init__(self, in_channels: int, out_channels: int, stride: int, branches: int) -> None:
        super().__init__(
            BranchedConv(
                in_channels,
                in_channels,
                3,
                branches=branches,
                stride=stride,
                groups=in_channels,
            ),
            nn.ReLU(),
            BranchedConv(in_channels, out_channels, 1, branches=branches),
            nn.ReLU(),
        )


class MobileOne(Backbone):
    """A strided stem, then stages of blocks; the first block of a stage has its stride."""

    def __init__(
        self,
        *,
        num_classes: int,
        image_size: int,  # any size works
        stem_width: int,
        widths: Sequence[int],
        depths: Sequence[int],
        strides: Sequence[int],
        branches: int,
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            BranchedConv(3, stem_width, 3, branches=branches, stride=2), nn.ReLU()
        )
        self.blocks = nn.Sequential()
        channels = stem_width
        for width, depth, stride in zip(widths, depths, strides, strict=True):
            for i in range(depth):
                self.blocks.append(MobileOneBlock(channels, width, 1 if i else stride, branches))
                channels = width
        self.num_features = channels
        self.head = ClassifierHead(channels, num_classes)

    def forward_features(self, images: Tensor) -> Tensor:
        features: Tensor = self.blocks(self.stem(images))
        return features

    def for_inference(self) -> Backbone:
        return self.reparameterize()

    def reparameterize(self) -> "MobileOne":
        """Return a copy in evaluation mode whose every sum of branches is one convolution.

        It gives the same outputs as this model in evaluation mode. This model stays as it
        is, and trainable.
        """
        plain = copy.deepcopy(self).eval()
        for name, module in self.named_modules():
            if isinstance(module, BranchedConv):
                plain.set_submodule(name, module.fold())
        return plain


register(
    Family(
        name="CustomMobileOne",
        paper="arXiv:2206.04040",
        title="MobileOne: An Improved One Millisecond Mobile Backbone",
        mechanism="convolutions trained as sums of branches, folded into one for inference",
        build=MobileOne,
        tiny={
            "stem_width": 32,
            "widths": (64, 128, 192),
            "depths": (1, 2, 1),
            "strides": (2, 1, 2),
            "branches": 2,
        },
        full={
            "stem_width": 64,
            "widths": (128, 320, 768, 2048),
            "depths": (2, 8, 10, 1),
            "strides": (2, 2, 2, 2),
            "branches": 1,
        },
        notes="full is the paper's S3 (k = 1): with 1000 classes 10.17 M parameters in training, "
        "10.08 M folded.",
    )
)
