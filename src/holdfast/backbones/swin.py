"""Swin Transformer: Hierarchical Vision Transformer using Shifted Windows.

Liu, Lin, Cao, Hu, Wei, Zhang, Lin, Guo. arXiv:2103.14030.

Attention stays within windows, so its cost grows with the image and not with its square.
Every second block shifts the windows by half, which lets neighbours across a border meet; a
mask keeps apart what the shift rolls in from the opposite side. Between stages, patch merging
halves the map and doubles the width. Positions enter only as a bias per relative offset.

A map that is not a whole number of windows is padded and the padding masked (the paper's
classifier simply asks for a fitting image).
"""

from collections.abc import Sequence

from torch import Tensor, nn

from holdfast.backbones.attention import EncoderBlock, init_weights
from holdfast.backbones.backbone import Backbone, ClassifierHead
from holdfast.backbones.image_size import require_multiple
from holdfast.backbones.layers import LayerNorm2d, drop_path_rates
from holdfast.backbones.registry import Family, register
from holdfast.backbones.window_attention import WindowAttention


class PatchMerging(nn.Module):
    """Join each 2x2 neighbourhood: (N, h, w, C) to (N, h/2, w/2, 2 * C)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * dim)
        self.reduce = nn.Linear(4 * dim, 2 * dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        n, height, width, dim = x.shape
        x = x.reshape(n, height // 2, 2, width // 2, 2, dim).transpose(2, 3)
        merged: Tensor = self.reduce(self.norm(x.flatten(3)))
        return merged


class SwinStage(nn.Sequential):
    """Blocks on a map (N, side, side, dim), the windows of every second one shifted."""

    def __init__(
        self, dim: int, heads: int, *, side: int, window: int, drop_path: Sequence[float]
    ) -> None:
        shifts = [0 if i % 2 == 0 else window // 2 for i in range(len(drop_path))]
        super().__init__(
            *(
                EncoderBlock(
                    dim,
                    WindowAttention(dim, heads, side=side, window=window, shift=shift),
                    drop_path=rate,
                )
                for shift, rate in zip(shifts, drop_path, strict=True)
            )
        )


class SwinTransformer(Backbone):
    """Patches of 4x4, then stages of plain and shifted window attention."""

    def __init__(
        self,
        *,
        num_classes: int,
        image_size: int,
        dim: int,
        depths: Sequence[int],
        heads: Sequence[int],
        window: int,
        patch_size: int = 4,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        require_multiple(image_size, patch_size * 2 ** (len(depths) - 1))
        self.num_features = dim * 2 ** (len(depths) - 1)
        self.embed = nn.Sequential(nn.Conv2d(3, dim, patch_size, patch_size), LayerNorm2d(dim))
        rates = iter(drop_path_rates(sum(depths), drop_path))
        side = image_size // patch_size
        self.stages = nn.Sequential()
        for stage, depth in enumerate(depths):
            if stage > 0:
                self.stages.append(PatchMerging(dim))
                dim, side = 2 * dim, side // 2
            stage_rates = [next(rates) for _ in range(depth)]
            self.stages.append(
                SwinStage(dim, heads[stage], side=side, window=window, drop_path=stage_rates)
            )
        self.norm = nn.LayerNorm(dim)
        self.apply(init_weights)
        self.head = ClassifierHead(dim, num_classes)

    def forward_features(self, images: Tensor) -> Tensor:
        x = self.embed(images).permute(0, 2, 3, 1)
        encoded: Tensor = self.norm(self.stages(x))
        return encoded.permute(0, 3, 1, 2)


register(
    Family(
        name="CustomSwinTransformer",
        paper="arXiv:2103.14030",
        title="Swin Transformer: Hierarchical Vision Transformer using Shifted Windows",
        mechanism="attention within windows that shift by half in every second block",
        build=SwinTransformer,
        tiny={"dim": 48, "depths": (2, 2), "heads": (2, 4), "window": 4},
        full={
            "dim": 96,
            "depths": (2, 2, 6, 2),
            "heads": (3, 6, 12, 24),
            "window": 7,
            "drop_path": 0.2,
        },
        any_image_size=False,
        notes="maps that do not divide into windows are padded and masked",
    )
)
