"""What a frozen body makes of the images, computed once: what the head stage learns from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from holdfast.backbones import Backbone
from holdfast.data import has_room
from holdfast.training.evaluate import run_through
from holdfast.training.ingredients import Ingredients
from holdfast.training.ranks import ALONE, Ranks


def on_features(with_: Ingredients, batch_size: int, check_stop: Callable[[], None]) -> Ingredients:
    """Return what the head learns from where the body rests: its features for the images.

    The model is then the head alone. The features are computed when first asked for, in the
    order of the sets and in batches of ``batch_size``, so that every process computes the same
    bits; ``check_stop`` is called between batches and may raise. Where an image's features may
    change, ``with_`` comes back as it is.
    """
    model = with_.model
    if not (with_.fixed_images and isinstance(model, Backbone) and _is_composed(model)):
        return with_
    if not frozen_body(model):
        return with_
    body, same = _body(with_, model), nn.Identity()

    def features_of(dataset: Any) -> "FeatureSet":
        size = len(dataset) * model.num_features * torch.float32.itemsize
        home = with_.device if has_room(with_.device, size) else torch.device("cpu")
        device, ranks = with_.device, with_.ranks
        return FeatureSet(dataset, body, batch_size, device, home, check_stop, ranks)

    train, val = features_of(with_.train), features_of(with_.val)
    return replace(with_, model=model.head, train=train, val=val, augment=same, normalise=same)


@dataclass(frozen=True)
class FeatureSet:
    """A dataset of features (num_features,) and labels, both held on the device ``home``."""

    dataset: Any
    body: Callable[[Tensor], Tensor]
    batch_size: int
    device: torch.device
    home: torch.device
    check_stop: Callable[[], None]
    ranks: Ranks = ALONE

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        features, labels = self.__getitems__([index])
        return features[0], labels[0]

    def __getitems__(self, indices: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Return a whole batch: (B, num_features) and int64 (B,)."""
        features, labels = self._computed
        chosen = torch.as_tensor(indices, device=self.home)
        return features[chosen], labels[chosen]

    @cached_property
    def _computed(self) -> tuple[Tensor, Tensor]:
        features, labels = run_through(
            self.dataset,
            batch_size=self.batch_size,
            forward=lambda images: self.body(images).to(self.home),
            device=self.device,
            check_stop=self.check_stop,
            ranks=self.ranks,
        )
        return features, labels.to(self.home)


def _body(with_: Ingredients, model: Backbone) -> Callable[[Tensor], Tensor]:
    """Return the way from raw images to what the head takes, in the model's own precision."""

    def pooled(images: Tensor) -> Tensor:
        inputs = with_.normalise(images)
        with with_.precision():
            return model.forward_head(model.forward_features(inputs), pre_logits=True)

    return pooled


def frozen_body(model: nn.Module) -> list[Tensor]:
    """Return the weights and statistics of a body that rests while the head learns, or nothing."""
    if not isinstance(model, Backbone):
        return []
    head = model.head
    in_head = {id(part) for part in chain(head.modules(), head.parameters(), head.buffers())}
    moving = [m for m in model.modules() if m.training and id(m) not in in_head]
    learning = [p for p in model.parameters() if p.requires_grad and id(p) not in in_head]
    if moving or learning:
        return []
    return [t for t in chain(model.parameters(), model.buffers()) if id(t) not in in_head]


def _is_composed(model: Backbone) -> bool:
    """Whether the model is no more than the head on pooled features."""
    kind = type(model)
    return (kind.forward, kind.forward_head) == (Backbone.forward, Backbone.forward_head)
