"""MaxViT: Multi-Axis Vision Transformer.

Tu, Talebi, Zhang, Yang, Milanfar, Bovik, Li. arXiv:2204.01697.

One block sees locally and globally at linear cost: an MBConv, then attention within blocks of
neighbouring pixels, then attention within a grid whose pixels lie spread over the whole map.
Both have a bias per relative offset, and every stage repeats the same block.

Maps that do not divide into windows are padded and the padding masked (the paper scales the
window with the image); the classifier is one linear layer on the normalised mean.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from holdfast.backbones.attention import EncoderBlock, init_weights
from holdfast.backbones.backbone import Backbone, ClassifierHead
from holdfast.backbones.image_size import require_multiple
from holdfast.backbones.layers import drop_path_rates
from holdfast.backbones.mbconv import ConvStem, PreNormMBConv
from holdfast.backbones.registry import Family, register
from holdfast.backbones.window_attention import WindowAttention


class GridAttention(WindowAttention):
    """Attention among ``window``² pixels that lie evenly spread over the map.

    The pixels of one group are side / window apart, where those of a block are neighbours.
    """

    def split(self, x: Tensor) -> Tensor:
        """Cut a map (N, side, side, C) into grids (N * grids, window², C)."""
        n, side, _, channels = x.shape
        apart, window = side // self.window, self.window
        x = x.reshape(n, window, apart, window, apart, channels)
        return x.permute(0, 2, 4, 1, 3, 5).reshape(-1, window**2, channels)

    def merge(self, windows: Tensor, side: int) -> Tensor:
        """Undo `split`, for a map of ``side``."""
        apart, window, channels = side // self.window, self.window, windows.shape[2]
        x = windows.reshape(-1, apart, apart, window, window, channels)
        return x.permute(0, 3, 1, 4, 2, 5).reshape(-1, side, side, channels)


class MaxViTBlock(nn.Module):
    """MBConv, block attention, grid attention: (N, C, h, w) to (N, out, side, side)."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int,
        side: int,
        window: int,
        head_dim: int,
        drop_path: float,
    ) -> None:
        super().__init__()
        self.conv = PreNormMBConv(
            in_channels, out_channels, stride=stride, pool=nn.AvgPool2d, drop_path=drop_path
        )
        heads = out_channels // head_dim
        block = WindowAttention(out_channels, heads, side=side, window=window)
        grid = GridAttention(out_channels, heads, side=side, window=window)
        self.block = EncoderBlock(out_channels, block, drop_path=drop_path)
        self.grid = EncoderBlock(out_channels, grid, drop_path=drop_path)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x).permute(0, 2, 3, 1)
        x = self.grid(self.block(x))
        return x.permute(0, 3, 1, 2)


class MaxViT(Backbone):
    """Stem, then stages of the same block, each half the size of the one before."""

    def __init__(
        self,
        *,
        num_classes: int,
        image_size: int,
        stem: int,
        dims: Sequence[int],
        depths: Sequence[int],
        window: int,
        head_dim: int = 32,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        require_multiple(image_size, 2 ** (len(depths) + 1))
        rates = iter(drop_path_rates(sum(depths), drop_path))
        self.stem = ConvStem(stem)
        self.blocks = nn.Sequential()
        channels, side = stem, image_size // 2
        for dim, depth in zip(dims, depths, strict=True):
            side //= 2
            for i in range(depth):
                self.blocks.append(
                    MaxViTBlock(
                        channels,
                        dim,
                        stride=2 if i == 0 else 1,
                        side=side,
                        window=window,
                        head_dim=head_dim,
                        drop_path=next(rates),
                    )
                )
                channels = dim
        self.num_features = channels
        self.norm = nn.LayerNorm(channels)
        self.apply(init_weights)
        self.head = ClassifierHead(channels, num_classes)

    def forward_features(self, images: Tensor) -> Tensor:
        features: Tensor = self.blocks(self.stem(images))
        return features

    def pool(self, features: Tensor) -> Tensor:
        pooled: Tensor = self.norm(features.mean((2, 3)))
        return pooled


register(
    Family(
        name="CustomMaxViT",
        paper="arXiv:2204.01697",
        title="MaxViT: Multi-Axis Vision Transformer",
        mechanism="each block convolves, attends within blocks, then across a sparse grid",
        build=MaxViT,
        tiny={"stem": 16, "dims": (24, 72), "depths": (1, 1), "window": 4, "head_dim": 24},
        full={
            "stem": 64,
            "dims": (64, 128, 256, 512),
            "depths": (2, 2, 5, 2),
            "window": 7,
            "drop_path": 0.2,
        },
        any_image_size=False,
        notes="window fixed, maps padded to fit; head without the paper's hidden layer",
    )
)
