"""CoAtNet: Marrying Convolution and Attention for All Data Sizes.

Dai, Liu, Le, Tan. arXiv:2106.04803.

A convolutional stem, stages of MBConv, then stages of transformer whose attention is global
and relative: the logit of two cells is their product plus a learned number for their offset.
Depthwise convolution and attention thus share one form, a weighted sum over relative
positions, and come in that order. All blocks are pre-norm; a stage's first block halves the
map, its shortcut by pooling and projection.

A last LayerNorm precedes the pooling, since the blocks leave their sum unnormalised. In a
transformer stage's first block the width grows in the attention's output projection.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from holdfast.backbones.attention import EncoderBlock, RelativeAttention, init_weights
from holdfast.backbones.backbone import Backbone, ClassifierHead
from holdfast.backbones.image_size import require_multiple
from holdfast.backbones.layers import DropPath, LayerNorm2d, Mlp, drop_path_rates
from holdfast.backbones.mbconv import ConvStem, PooledShortcut, PreNormMBConv
from holdfast.backbones.registry import Family, register


class ConvStage(nn.Sequential):
    """MBConv blocks, the first with stride 2: (N, C, h, w) to (N, out, h/2, w/2)."""

    def __init__(self, in_channels: int, out_channels: int, drop_path: Sequence[float]) -> None:
        super().__init__(
            *(
                PreNormMBConv(
                    in_channels if i == 0 else out_channels,
                    out_channels,
                    stride=2 if i == 0 else 1,
                    pool=nn.MaxPool2d,
                    early_stride=True,
                    drop_path=rate,
                )
                for i, rate in enumerate(drop_path)
            )
        )


class DownAttentionBlock(nn.Module):
    """Transformer block that halves the map: (N, C, 2*side, 2*side) to (N, side², out).

    x becomes Proj(Pool(x)) + Attention(Pool(Norm(x))), then the perceptron follows.
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, heads: int, side: int, drop_path: float
    ) -> None:
        super().__init__()
        self.shortcut = PooledShortcut(in_channels, out_channels, nn.MaxPool2d)
        self.norm_attention = LayerNorm2d(in_channels)
        self.pool = nn.MaxPool2d(2)
        self.attention = RelativeAttention(in_channels, heads, side, out_channels)
        self.norm_mlp = nn.LayerNorm(out_channels)
        self.mlp = Mlp(out_channels, 4 * out_channels)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        attended = self.attention(_tokens(self.pool(self.norm_attention(x))))
        tokens = _tokens(self.shortcut(x)) + self.drop_path(attended)
        out: Tensor = tokens + self.drop_path(self.mlp(self.norm_mlp(tokens)))
        return out


class AttentionStage(nn.Module):
    """Transformer blocks, the first halving the map: (N, C, h, w) to (N, out, h/2, w/2)."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        head_dim: int,
        side: int,
        drop_path: Sequence[float],
    ) -> None:
        super().__init__()
        self.side = side
        self.down = DownAttentionBlock(
            in_channels,
            out_channels,
            heads=in_channels // head_dim,
            side=side,
            drop_path=drop_path[0],
        )
        heads = out_channels // head_dim
        self.blocks = nn.Sequential(
            *(
                EncoderBlock(
                    out_channels, RelativeAttention(out_channels, heads, side), drop_path=rate
                )
                for rate in drop_path[1:]
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        tokens: Tensor = self.blocks(self.down(x))
        return tokens.transpose(1, 2).reshape(x.shape[0], -1, self.side, self.side)


def _tokens(x: Tensor) -> Tensor:
    """Turn a map (N, C, h, w) into tokens (N, h * w, C)."""
    return x.flatten(2).transpose(1, 2)


class CoAtNet(Backbone):
    """Stem, convolutional stages, attention stages, each half the size of the one before."""

    def __init__(
        self,
        *,
        num_classes: int,
        image_size: int,
        stem: int,
        conv_dims: Sequence[int],
        conv_depths: Sequence[int],
        attention_dims: Sequence[int],
        attention_depths: Sequence[int],
        head_dim: int = 32,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        depths = [*conv_depths, *attention_depths]
        require_multiple(image_size, 2 ** (len(depths) + 1))
        rates = iter(drop_path_rates(sum(depths), drop_path))
        self.stem = ConvStem(stem)
        self.stages = nn.Sequential()
        channels, side = stem, image_size // 2
        for dim, depth in zip(conv_dims, conv_depths, strict=True):
            self.stages.append(ConvStage(channels, dim, [next(rates) for _ in range(depth)]))
            channels, side = dim, side // 2
        for dim, depth in zip(attention_dims, attention_depths, strict=True):
            channels_in, channels, side = channels, dim, side // 2
            stage_rates = [next(rates) for _ in range(depth)]
            self.stages.append(
                AttentionStage(
                    channels_in, dim, head_dim=head_dim, side=side, drop_path=stage_rates
                )
            )
        self.num_features = channels
        self.norm = LayerNorm2d(channels)
        self.apply(init_weights)
        self.head = ClassifierHead(channels, num_classes)

    def forward_features(self, images: Tensor) -> Tensor:
        features: Tensor = self.norm(self.stages(self.stem(images)))
        return features


register(
    Family(
        name="CustomCoAtNet",
        paper="arXiv:2106.04803",
        title="CoAtNet: Marrying Convolution and Attention for All Data Sizes",
        mechanism="convolution first, then global attention with a bias per relative offset",
        build=CoAtNet,
        tiny={
            "stem": 16,
            "conv_dims": (32,),
            "conv_depths": (2,),
            "attention_dims": (96,),
            "attention_depths": (2,),
            "head_dim": 16,
        },
        full={
            "stem": 64,
            "conv_dims": (96, 192),
            "conv_depths": (2, 3),
            "attention_dims": (384, 768),
            "attention_depths": (5, 2),
            "drop_path": 0.2,
        },
        any_image_size=False,
        notes="a last LayerNorm before pooling; settings of CoAtNet-0",
    )
)
