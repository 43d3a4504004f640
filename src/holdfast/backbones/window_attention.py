"""Attention within the windows of a map: plain, or shifted by half a window."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from holdfast.backbones.attention import RelativeAttention


class WindowAttention(nn.Module):
    """Self-attention within the windows of a map (N, side, side, dim), with relative bias.

    A shift rolls the map first, so that windows straddle the borders of the unshifted ones.
    Two things share a window without being neighbours and are masked from each other: pixels
    rolled in from the opposite border, and the padding up to whole windows.
    """

    mask: Tensor | None

    def __init__(self, dim: int, heads: int, *, side: int, window: int, shift: int = 0) -> None:
        super().__init__()
        self.window = min(window, side)
        self.padding = -side % self.window
        self.shift = shift if side > self.window else 0  # one window has nothing to straddle
        self.attention = RelativeAttention(dim, heads, self.window)
        self.register_buffer("mask", self._build_mask(side), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        n, side = x.shape[:2]
        if self.padding:
            x = F.pad(x, (0, 0, 0, self.padding, 0, self.padding))
        if self.shift:
            x = x.roll((-self.shift, -self.shift), dims=(1, 2))
        mask = None if self.mask is None else self.mask.repeat(n, 1, 1, 1)
        x = self.merge(self.attention(self.split(x), mask), side + self.padding)
        if self.shift:
            x = x.roll((self.shift, self.shift), dims=(1, 2))
        return x[:, :side, :side]

    def split(self, x: Tensor) -> Tensor:
        """Cut a map (N, side, side, C) into windows (N * windows, window², C)."""
        n, side, _, channels = x.shape
        cells, window = side // self.window, self.window
        x = x.reshape(n, cells, window, cells, window, channels)
        return x.transpose(2, 3).reshape(-1, window**2, channels)

    def merge(self, windows: Tensor, side: int) -> Tensor:
        """Undo `split`, for a map of ``side``."""
        cells, window, channels = side // self.window, self.window, windows.shape[2]
        x = windows.reshape(-1, cells, cells, window, window, channels)
        return x.transpose(2, 3).reshape(-1, side, side, channels)

    def _build_mask(self, side: int) -> Tensor | None:
        """Return (windows, 1, window², window²) of 0 and minus infinity, None if all are 0."""
        if not (self.shift or self.padding):
            return None
        rolled = torch.arange(side + self.padding).roll(-self.shift)
        # along one axis: 0 in place, 1 came round the border, 2 padding
        origin = (rolled < self.shift).long() + 2 * (rolled >= side).long()
        groups = self.split((3 * origin[:, None] + origin[None])[None, :, :, None])
        apart = groups != groups.transpose(1, 2)
        return torch.zeros(apart.shape).masked_fill(apart, float("-inf")).unsqueeze(1)
