"""The pre-norm MBConv of CoAtNet and MaxViT, and the pooled shortcut of their first blocks."""

from torch import Tensor, nn

from holdfast.backbones.layers import ConvNormAct, DropPath, SqueezeExcite


class PooledShortcut(nn.Sequential):
    """Proj(Pool(x)): halve the map by pooling, widen it by a 1x1 convolution."""

    def __init__(self, in_channels: int, out_channels: int, pool: type[nn.Module]) -> None:
        widen = nn.Conv2d(in_channels, out_channels, 1)
        super().__init__(pool(2), nn.Identity() if in_channels == out_channels else widen)


class PreNormMBConv(nn.Module):
    """Norm, 1x1 expansion, 3x3 depthwise, squeeze-excite, 1x1 projection; then the shortcut.

    Widths follow the output: ``expansion`` times as wide inside, a quarter in the squeeze.
    With stride 2 the shortcut is pooled by ``pool``; with 1 it is the identity. The stride is
    in the depthwise convolution, or with ``early_stride`` already in the expansion: cheaper.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int,
        pool: type[nn.Module],
        early_stride: bool = False,
        expansion: int = 4,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        hidden = out_channels * expansion
        first, second = (stride, 1) if early_stride else (1, stride)
        self.body = nn.Sequential(
            nn.BatchNorm2d(in_channels),
            ConvNormAct(in_channels, hidden, 1, first, act=nn.GELU),
            ConvNormAct(hidden, hidden, 3, second, groups=hidden, act=nn.GELU),
            SqueezeExcite(hidden, max(1, out_channels // 4), nn.SiLU),
            nn.Conv2d(hidden, out_channels, 1),
        )
        self.drop_path = DropPath(drop_path)
        self.shortcut: nn.Module = nn.Identity()
        if stride == 2:
            self.shortcut = PooledShortcut(in_channels, out_channels, pool)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.shortcut(x) + self.drop_path(self.body(x))
        return out


class ConvStem(nn.Sequential):
    """Two 3x3 convolutions, the first with stride 2: (N, 3, h, w) to (N, width, h/2, w/2)."""

    def __init__(self, width: int) -> None:
        super().__init__(
            ConvNormAct(3, width, 3, stride=2, act=nn.GELU), nn.Conv2d(width, width, 3, padding=1)
        )
