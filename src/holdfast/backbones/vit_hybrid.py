"""An Image is Worth 16x16 Words: Transformers for Image Recognition at Scale (the hybrid).

Dosovitskiy, Beyer, Kolesnikov, Weissenborn, Zhai, Unterthiner, Dehghani, Minderer, Heigold,
Gelly, Uszkoreit, Houlsby. arXiv:2010.11929.

A ResNet makes a feature map; patches of the map, not of the image, become the tokens of a
vision transformer with a class token and learned positions. As in the paper the ResNet has
GroupNorm and standardised weights in place of BatchNorm, and its fourth stage is left out in
favour of a longer third, for a map of 1/16 with patches of 1x1.

We use no hidden layer in the head: the paper has one only in pre-training.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from holdfast.backbones.attention import TokenEncoder, init_weights
from holdfast.backbones.backbone import Backbone, ClassifierHead
from holdfast.backbones.image_size import require_multiple
from holdfast.backbones.registry import Family, register


class StandardisedConv(nn.Conv2d):
    """Convolution whose filters have mean 0 and variance 1 (arXiv:1903.10520), no bias."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int = 1) -> None:
        super().__init__(in_channels, out_channels, kernel, stride, kernel // 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        # a layer norm over one filter's numbers is exactly its standardisation
        weight = F.layer_norm(self.weight, self.weight.shape[1:])
        return F.conv2d(x, weight, None, self.stride, self.padding)


class ConvGroupNorm(nn.Sequential):
    """Standardised convolution, then GroupNorm."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int = 1) -> None:
        super().__init__(
            StandardisedConv(in_channels, out_channels, kernel, stride),
            nn.GroupNorm(min(32, out_channels // 2), out_channels),
        )


class Bottleneck(nn.Module):
    """ResNet block, 1x1 then 3x3 then 1x1: (N, C, h, w) to (N, out, h/stride, w/stride)."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        hidden = out_channels // 4
        self.body = nn.Sequential(
            ConvGroupNorm(in_channels, hidden, 1),
            nn.ReLU(),
            ConvGroupNorm(hidden, hidden, 3, stride),
            nn.ReLU(),
            ConvGroupNorm(hidden, out_channels, 1),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.shortcut = ConvGroupNorm(in_channels, out_channels, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.shortcut(x) + self.body(x))


class ResNetStem(nn.Sequential):
    """Root of stride 4, then stages of bottlenecks; each stage after the first halves the map."""

    def __init__(self, width: int, depths: Sequence[int]) -> None:
        widths = [width, *(4 * width * 2**stage for stage in range(len(depths)))]
        super().__init__(
            ConvGroupNorm(3, width, 7, stride=2),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2, padding=1),
            *_bottlenecks(widths, depths),
        )
        self.out_channels = widths[-1]
        self.reduction = 2 ** (len(depths) + 1)


def _bottlenecks(widths: Sequence[int], depths: Sequence[int]) -> Iterator[Bottleneck]:
    for stage, (before, after) in enumerate(pairwise(widths)):
        yield Bottleneck(before, after, stride=1 if stage == 0 else 2)
        yield from (Bottleneck(after, after, stride=1) for _ in range(depths[stage] - 1))


class ViTHybrid(Backbone):
    """ResNet stem, patches of its map, class token, positions, encoder."""

    def __init__(
        self,
        *,
        num_classes: int,
        image_size: int,
        stem_width: int,
        stem_depths: Sequence[int],
        dim: int,
        depth: int,
        heads: int,
        patch_size: int = 1,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        self.num_features = dim
        self.stem = ResNetStem(stem_width, stem_depths)
        cell = self.stem.reduction * patch_size
        require_multiple(image_size, cell)
        self.embed = nn.Conv2d(self.stem.out_channels, dim, patch_size, patch_size)
        self.encoder = TokenEncoder(
            dim,
            depth=depth,
            heads=heads,
            patches=(image_size // cell) ** 2,
            prefix=1,
            drop_path=drop_path,
        )
        self.apply(init_weights)
        self.head = ClassifierHead(dim, num_classes)

    def forward_features(self, images: Tensor) -> Tensor:
        tokens: Tensor = self.encoder(self.embed(self.stem(images)))
        return tokens

    def pool(self, features: Tensor) -> Tensor:
        """Take the class token (N, dim)."""
        return features[:, 0]


register(
    Family(
        name="CustomViTHybrid",
        paper="arXiv:2010.11929",
        title="An Image is Worth 16x16 Words: Transformers for Image Recognition at Scale",
        mechanism="a ResNet makes the map whose patches become a vision transformer's tokens",
        build=ViTHybrid,
        tiny={"stem_width": 16, "stem_depths": (1,), "dim": 64, "depth": 2, "heads": 2},
        full={"stem_width": 64, "stem_depths": (3, 4, 9), "dim": 768, "depth": 12, "heads": 12},
        any_image_size=False,
        notes="the head is one linear layer, as in the paper's fine-tuning",
    )
)
