"""Training data-efficient image transformers & distillation through attention.

Touvron, Cord, Douze, Massa, Sablayrolles, Jégou. arXiv:2012.12877.

A vision transformer with two learned tokens before its patches: the class token, whose head
answers to the label, and the distillation token, whose head answers to a teacher network.
Both reach every patch through attention; at inference the two answers are averaged.

There is no teacher here. In training, too, the model returns the averaged logits, so the loss
against the label teaches both heads, which differ only by their tokens and first weights.
"""

from torch import Tensor, nn

from holdfast.backbones.attention import TokenEncoder, init_weights
from holdfast.backbones.backbone import Backbone, ClassifierHead
from holdfast.backbones.image_size import require_multiple
from holdfast.backbones.registry import Family, register


class DeiT(Backbone):
    """Patches, class and distillation tokens, encoder, two heads averaged."""

    def __init__(
        self,
        *,
        num_classes: int,
        image_size: int,
        patch_size: int,
        dim: int,
        depth: int,
        heads: int,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        require_multiple(image_size, patch_size)
        self.num_features = 2 * dim  # one half per token
        self.embed = nn.Conv2d(3, dim, patch_size, patch_size)
        self.encoder = TokenEncoder(
            dim,
            depth=depth,
            heads=heads,
            patches=(image_size // patch_size) ** 2,
            prefix=2,
            drop_path=drop_path,
        )
        self.apply(init_weights)
        self.head = DistilledHead(self.num_features, num_classes)

    def forward_features(self, images: Tensor) -> Tensor:
        tokens: Tensor = self.encoder(self.embed(images))
        return tokens

    def pool(self, features: Tensor) -> Tensor:
        """Lay the class and the distillation token side by side (N, 2 * dim)."""
        return features[:, :2].flatten(1)

    def reset_classifier(self, num_classes: int) -> None:
        self.head = DistilledHead(self.num_features, num_classes)


class DistilledHead(nn.Module):
    """Two heads, each on its own token, averaged: (N, 2 * dim) to (N, classes)."""

    def __init__(self, num_features: int, num_classes: int) -> None:
        super().__init__()
        self.label = ClassifierHead(num_features // 2, num_classes)
        self.distillation = ClassifierHead(num_features // 2, num_classes)

    def forward(self, pooled: Tensor) -> Tensor:
        class_token, distillation_token = pooled.chunk(2, dim=1)
        logits: Tensor = self.label(class_token) + self.distillation(distillation_token)
        return logits / 2


register(
    Family(
        name="CustomDeiTStyle",
        paper="arXiv:2012.12877",
        title="Training data-efficient image transformers & distillation through attention",
        mechanism="a distillation token beside the class token, each with its own head",
        build=DeiT,
        tiny={"patch_size": 8, "dim": 96, "depth": 3, "heads": 3},
        full={"patch_size": 16, "dim": 384, "depth": 12, "heads": 6, "drop_path": 0.1},
        any_image_size=False,
        notes="no teacher: the averaged logits meet the label, so both heads learn from it",
    )
)
