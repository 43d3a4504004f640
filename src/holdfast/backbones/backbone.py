"""The surface every backbone shares: features, then a head."""

import copy
from collections.abc import Iterator

import torch
from torch import Tensor, nn


class Backbone(nn.Module):
    """An image classifier in two parts: a body that makes features, a head that names them.

    A subclass builds its layers, sets ``self.head`` (usually a `ClassifierHead`) and
    implements `forward_features`; one whose features are not an NCHW map also implements
    `pool`. Everything outside ``self.head`` is the body: frozen in the head stage.
    """

    num_features: int
    head: nn.Module

    def forward_features(self, images: Tensor) -> Tensor:
        """Turn images (N, 3, H, W), normalised float, into unpooled features."""
        raise NotImplementedError

    def pool(self, features: Tensor) -> Tensor:
        """Turn unpooled features (N, C, h, w) into one vector per image (N, num_features)."""
        return features.mean((2, 3))  # adaptive pooling is not deterministic on cuda

    def forward_head(self, features: Tensor, pre_logits: bool = False) -> Tensor:
        """Turn unpooled features into logits (N, classes), or stop at the pooled vectors."""
        pooled = self.pool(features)
        if pre_logits:
            return pooled
        logits: Tensor = self.head(pooled)
        return logits

    def forward(self, images: Tensor) -> Tensor:
        return self.forward_head(self.forward_features(images))

    def get_classifier(self) -> nn.Module:
        """Return the part that the head stage trains."""
        return self.head

    def reset_classifier(self, num_classes: int) -> None:
        """Replace the head by a fresh one for ``num_classes`` classes."""
        self.head = ClassifierHead(self.num_features, num_classes)

    def head_parameters(self) -> Iterator[nn.Parameter]:
        """Yield what the head stage leaves trainable."""
        return self.head.parameters()

    def train_head(self) -> "Backbone":
        """Enter the head stage: body frozen and in evaluation mode, head learning.

        Evaluation mode matters as much as ``requires_grad``: BatchNorm statistics move in
        training mode even when no parameter learns.
        """
        self.requires_grad_(False).eval()
        self.head.requires_grad_(True).train()
        return self

    def train_all(self) -> "Backbone":
        """Enter the finetune stage: everything learns."""
        self.requires_grad_(True).train()
        return self

    def for_inference(self) -> "Backbone":
        """Return a copy in evaluation mode in the form that is to be used, not trained.

        It gives the same logits, but for rounding, for any number of images; its operations are
        such that other runtimes have them. This model stays as it is.
        """
        return copy.deepcopy(self).eval()


class ClassifierHead(nn.Module):
    """Dropout and one linear layer: (N, num_features) to (N, num_classes)."""

    def __init__(self, num_features: int, num_classes: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(num_features, num_classes)
        nn.init.trunc_normal_(self.linear.weight, std=0.02)
        nn.init.zeros_(self.linear.bias)

    def forward(self, pooled: Tensor) -> Tensor:
        logits: Tensor = self.linear(self.dropout(pooled))
        return logits


def count_parameters(model: nn.Module) -> int:
    """Count the learnable numbers of a model."""
    with torch.no_grad():
        return sum(parameter.numel() for parameter in model.parameters())
