"""What the transformer families share: the encoder, and position as a learned bias."""

import torch
from torch import Tensor, nn

from holdfast.backbones.layers import DropPath, Mlp, SelfAttention, drop_path_rates

# As strong as a table of sines, so that position is felt from the first step; the papers'
# 0.02 takes them many epochs to grow.
_POSITION_STD = 0.7


class EncoderBlock(nn.Module):
    """Pre-norm residual pair, attention then perceptron, on x (N, ..., dim).

    ``attention`` maps (N, ..., dim) to the same shape: over a row of tokens, within the
    windows of a map, or however its family attends.
    """

    def __init__(
        self, dim: int, attention: nn.Module, *, mlp_ratio: float = 4.0, drop_path: float = 0.0
    ) -> None:
        super().__init__()
        self.norm_attention = nn.LayerNorm(dim)
        self.attention = attention
        self.norm_mlp = nn.LayerNorm(dim)
        self.mlp = Mlp(dim, int(dim * mlp_ratio))
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.drop_path(self.attention(self.norm_attention(x)))
        out: Tensor = x + self.drop_path(self.mlp(self.norm_mlp(x)))
        return out


class TokenEncoder(nn.Module):
    """The plain vision transformer after its embedding: (N, dim, h, w) to (N, P + h*w, dim).

    ``prefix`` learned tokens (P: class, distillation) go before the patches, every token
    gets a learned position, and the blocks and a last norm follow.
    """

    def __init__(
        self, dim: int, *, depth: int, heads: int, patches: int, prefix: int, drop_path: float
    ) -> None:
        super().__init__()
        self.prefix = _position_table(1, prefix, dim)
        self.position = _position_table(1, prefix + patches, dim)
        self.blocks = nn.Sequential(
            *(
                EncoderBlock(dim, SelfAttention(dim, heads), drop_path=rate)
                for rate in drop_path_rates(depth, drop_path)
            )
        )
        self.norm = nn.LayerNorm(dim)

    def forward(self, embedded: Tensor) -> Tensor:
        patches = embedded.flatten(2).transpose(1, 2)
        prefix = self.prefix.expand(patches.shape[0], -1, -1)
        tokens = torch.cat((prefix, patches), dim=1) + self.position
        encoded: Tensor = self.norm(self.blocks(tokens))
        return encoded


class RelativePositionBias(nn.Module):
    """One learned number per head and relative offset within a square of ``side``² tokens."""

    index: Tensor

    def __init__(self, side: int, heads: int) -> None:
        super().__init__()
        offsets = 2 * side - 1  # from -(side - 1) to side - 1 along each axis
        self.table = _position_table(offsets**2, heads)
        cells = torch.cartesian_prod(torch.arange(side), torch.arange(side))
        down, across = (cells[:, None] - cells[None] + side - 1).unbind(2)
        self.register_buffer("index", down * offsets + across, persistent=False)

    def forward(self) -> Tensor:
        """Return the bias (1, heads, side², side²)."""
        return self.table[self.index].permute(2, 0, 1).unsqueeze(0)


class RelativeAttention(SelfAttention):
    """Self-attention over side² tokens (N, side², dim) with relative position bias.

    ``out_dim`` widens the output where a block both attends and grows.
    """

    def __init__(self, dim: int, heads: int, side: int, out_dim: int | None = None) -> None:
        super().__init__(dim, heads)
        self.position = RelativePositionBias(side, heads)
        if out_dim is not None:
            self.project = nn.Linear(dim, out_dim)

    def forward(self, x: Tensor, bias: Tensor | None = None) -> Tensor:
        position = self.position()
        return super().forward(x, position if bias is None else position + bias)


def _position_table(*shape: int) -> nn.Parameter:
    return nn.Parameter(nn.init.trunc_normal_(torch.empty(shape), std=_POSITION_STD))


def init_weights(module: nn.Module) -> None:
    """Initialise one linear or convolution layer by its fan, for `nn.Module.apply`.

    At the papers' widths this is close to their 0.02; a narrow model needs the wider start.
    """
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
    elif isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    if isinstance(module, nn.Linear | nn.Conv2d) and module.bias is not None:
        nn.init.zeros_(module.bias)
