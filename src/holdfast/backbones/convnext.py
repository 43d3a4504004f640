"""A ConvNet for the 2020s (ConvNeXt), Liu et al., arXiv:2201.03545.

A ResNet redrawn with a transformer's habits. Each block mixes space with one 7x7 depthwise
convolution, then channels with an inverted bottleneck (a perceptron four times as wide, one
GELU, one LayerNorm), and adds the result through a learned scale per channel that starts near
zero. Maps shrink between stages by a separate LayerNorm and 2x2 convolution.

The full size is ConvNeXt-T. The tiny one has three stages and a 2x2 stem, as a 4x4 stem would
leave a 32-pixel image nothing to mix; and its layer scale starts at a half, because it is
shallow and has only a few epochs to open up.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from holdfast.backbones.backbone import Backbone, ClassifierHead
from holdfast.backbones.layers import DropPath, LayerNorm2d, Mlp, drop_path_rates
from holdfast.backbones.registry import Family, register
from holdfast.errors import ConfigError

NORM_EPS = 1e-6


class ConvNeXtBlock(nn.Module):
    """Depthwise 7x7, LayerNorm, inverted bottleneck, layer scale: (N, dim, h, w) to the same."""

    def __init__(self, dim: int, *, drop_path: float, layer_scale: float) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(dim, dim, 7, padding=3, groups=dim)
        self.norm = nn.LayerNorm(dim, eps=NORM_EPS)
        self.mlp = Mlp(dim, 4 * dim)
        self.scale = nn.Parameter(torch.full((dim,), layer_scale))
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        # channels last from here to the residual: norm and linears work on the last dimension
        out = self.depthwise(x).permute(0, 2, 3, 1)
        out = self.mlp(self.norm(out)) * self.scale
        residual: Tensor = self.drop_path(out.permute(0, 3, 1, 2))
        return x + residual


class Stem(nn.Sequential):
    """Cut the image into patches: (N, 3, H, W) to (N, dim, H / patch, W / patch)."""

    def __init__(self, dim: int, patch: int) -> None:
        super().__init__(nn.Conv2d(3, dim, patch, patch), LayerNorm2d(dim, eps=NORM_EPS))


class Downsample(nn.Sequential):
    """Halve the map and widen it: (N, in_dim, h, w) to (N, out_dim, h / 2, w / 2)."""

    def __init__(self, in_dim: int, out_dim: int) -> None:
        super().__init__(LayerNorm2d(in_dim, eps=NORM_EPS), nn.Conv2d(in_dim, out_dim, 2, 2))


class ConvNeXt(Backbone):
    """Stages of ConvNeXt blocks with a downsampling layer before each but the first."""

    def __init__(
        self,
        *,
        num_classes: int,
        image_size: int,
        dims: Sequence[int],
        depths: Sequence[int],
        patch: int = 4,
        drop_path: float = 0.0,
        layer_scale: float = 1e-6,
    ) -> None:
        super().__init__()
        _check_image_size(image_size, smallest=patch * 2 ** (len(dims) - 1))
        rates = iter(drop_path_rates(sum(depths), drop_path))
        layers: list[nn.Module] = [Stem(dims[0], patch)]
        for i, (dim, depth) in enumerate(zip(dims, depths, strict=True)):
            if i > 0:
                layers.append(Downsample(dims[i - 1], dim))
            layers += [
                ConvNeXtBlock(dim, drop_path=next(rates), layer_scale=layer_scale)
                for _ in range(depth)
            ]
        self.body = nn.Sequential(*layers)
        self.norm = nn.LayerNorm(dims[-1], eps=NORM_EPS)
        self.num_features = dims[-1]
        self.apply(_initialise)
        self.head = ClassifierHead(self.num_features, num_classes)

    def forward_features(self, images: Tensor) -> Tensor:
        features: Tensor = self.body(images)
        return features

    def pool(self, features: Tensor) -> Tensor:
        pooled: Tensor = self.norm(super().pool(features))
        return pooled


def _check_image_size(image_size: int, smallest: int) -> None:
    if image_size < smallest:
        raise ConfigError(f"image_size {image_size} is too small: use {smallest} or more")


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


register(
    Family(
        name="CustomConvNeXt",
        paper="arXiv:2201.03545",
        title="A ConvNet for the 2020s",
        mechanism="7x7 depthwise convolution, then an inverted bottleneck behind a layer scale",
        build=ConvNeXt,
        tiny={
            "dims": (24, 48, 96),
            "depths": (1, 1, 2),
            "patch": 2,
            "drop_path": 0.05,
            "layer_scale": 0.5,
        },
        full={"dims": (96, 192, 384, 768), "depths": (3, 3, 9, 3), "drop_path": 0.1},
        notes="tiny: three stages, a 2x2 stem, and a layer scale that starts at 0.5",
    )
)
