"""Dynamic Convolution: Attention over Convolution Kernels.

Chen, Dai, Liu, Chen, Yuan, Liu, 2019, arXiv:1912.03458.

A layer owns K kernels in place of one. For every image an attention, computed from the
layer's pooled input, mixes them into a single kernel, and that one convolves the image:
K times the parameters for hardly more arithmetic. The network around it is a ResNet of
basic blocks, as in the paper's DY-ResNet-18.

Where we depart: the paper lowers the softmax temperature from 30 to 1 during the first
epochs. That would be state outside the parameters, so the temperature stays at 30. The
kernels carry no bias, as a BatchNorm follows.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from holdfast.backbones.backbone import Backbone, ClassifierHead
from holdfast.backbones.layers import ConvNormAct
from holdfast.backbones.registry import Family, register

TEMPERATURE = 30.0
SQUEEZE_RATIO = 4
SMALLEST_SQUEEZE = 16


class KernelAttention(nn.Module):
    """How much of each kernel an image gets: (N, C, H, W) to (N, kernels), rows sum to 1."""

    def __init__(self, channels: int, kernels: int) -> None:
        super().__init__()
        squeezed = max(SMALLEST_SQUEEZE, channels // SQUEEZE_RATIO)
        self.reduce = nn.Linear(channels, squeezed)
        self.score = nn.Linear(squeezed, kernels)

    def forward(self, x: Tensor) -> Tensor:
        scores = self.score(F.relu(self.reduce(x.mean((2, 3)))))
        return torch.softmax(scores / TEMPERATURE, 1)  # near uniform, so that all kernels learn


class DynamicConv2d(nn.Module):
    """A 3x3 convolution whose kernel is mixed anew for every image.

    (N, in_channels, H, W) to (N, out_channels, H / stride, W / stride).
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int, kernels: int) -> None:
        super().__init__()
        self.stride = stride
        self.kernel_shape = (out_channels, in_channels, 3, 3)
        self.attention = KernelAttention(in_channels, kernels)
        # stacked along the outputs: channels_last cannot convert five dimensions
        self.bank = nn.Parameter(torch.empty(kernels * out_channels, in_channels, 3, 3))
        nn.init.kaiming_normal_(self.bank)

    def mixed_kernels(self, x: Tensor) -> Tensor:
        """Return one kernel per image: (N, out_channels, in_channels, 3, 3)."""
        shares = self.attention(x)
        mixed: Tensor = shares @ self.bank.reshape(shares.shape[1], -1)
        return mixed.reshape(-1, *self.kernel_shape)

    def forward(self, x: Tensor) -> Tensor:
        n, channels, height, width = x.shape
        stacked = x.reshape(1, n * channels, height, width)
        kernels = self.mixed_kernels(x).flatten(0, 1)
        # a group per image: every image meets its own kernel in one call
        out = F.conv2d(stacked, kernels, stride=self.stride, padding=1, groups=n)
        return out.reshape(n, -1, *out.shape[2:])


class MatmulDynamicConv2d(DynamicConv2d):
    """The same convolution as a product of matrices, one pair per image.

    As many groups as images are a number that ONNX wants to know beforehand; this is not. Each
    window of an image is a column (im2col), made of nine shifted views.
    """

    def forward(self, x: Tensor) -> Tensor:
        height, width = ((side - 1) // self.stride + 1 for side in x.shape[2:])
        padded = F.pad(x, (1, 1, 1, 1))
        shifted = [
            padded[:, :, top :: self.stride, left :: self.stride][:, :, :height, :width]
            for top in range(3)
            for left in range(3)
        ]
        windows = torch.stack(shifted, dim=2).flatten(1, 2).flatten(2)
        out = self.mixed_kernels(x).flatten(2) @ windows
        return out.reshape(x.shape[0], -1, height, width)


class DynamicBlock(nn.Module):
    """The basic residual block with dynamic convolutions; its 1x1 shortcut is static."""

    def __init__(self, in_channels: int, out_channels: int, stride: int, kernels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            DynamicConv2d(in_channels, out_channels, stride, kernels),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(),
            DynamicConv2d(out_channels, out_channels, 1, kernels),
            nn.BatchNorm2d(out_channels),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.shortcut = ConvNormAct(in_channels, out_channels, 1, stride, act=None)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.shortcut(x) + self.body(x))


class DynamicConvNet(Backbone):
    """A static stem, then stages of dynamic blocks, each after the first at half the size."""

    def __init__(
        self,
        *,
        num_classes: int,
        image_size: int,  # any size works
        widths: Sequence[int],
        depths: Sequence[int],
        kernels: int,
        small_stem: bool = False,
    ) -> None:
        super().__init__()
        channels = widths[0]
        self.stem = make_stem(channels, small_stem)
        self.blocks = nn.Sequential()
        for stage, (width, depth) in enumerate(zip(widths, depths, strict=True)):
            for i in range(depth):
                stride = 2 if stage and not i else 1
                self.blocks.append(DynamicBlock(channels, width, stride, kernels))
                channels = width
        self.num_features = channels
        self.head = ClassifierHead(channels, num_classes)

    def forward_features(self, images: Tensor) -> Tensor:
        features: Tensor = self.blocks(self.stem(images))
        return features

    def for_inference(self) -> Backbone:
        plain = super().for_inference()
        for module in plain.modules():
            if type(module) is DynamicConv2d:
                module.__class__ = MatmulDynamicConv2d  # the same weights, computed otherwise
        return plain


def make_stem(channels: int, small: bool) -> nn.Module:
    """Return the ImageNet stem (size / 4), or for small images a 3x3 alone (size / 2)."""
    if small:
        return ConvNormAct(3, channels, 3, stride=2)
    return nn.Sequential(ConvNormAct(3, channels, 7, stride=2), nn.MaxPool2d(3, 2, padding=1))


register(
    Family(
        name="CustomDynamicConvNet",
        paper="arXiv:1912.03458",
        title="Dynamic Convolution: Attention over Convolution Kernels",
        mechanism="each image is convolved with its own mixture of K kernels",
        build=DynamicConvNet,
        tiny={"widths": (16, 32, 48), "depths": (1, 1, 1), "kernels": 4, "small_stem": True},
        full={"widths": (64, 128, 256, 512), "depths": (2, 2, 2, 2), "kernels": 4},
        channels_last=False,
        notes="DY-ResNet-18 at a constant softmax temperature of 30, static 1x1 shortcuts. "
        "For inference a group per image becomes a product of matrices, which ONNX has for any "
        "number of images.",
    )
)
