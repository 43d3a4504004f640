"""Which backbones exist, and how one is built by name."""

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from holdfast.backbones.backbone import Backbone
from holdfast.errors import UnknownBackboneError


@dataclass(frozen=True, kw_only=True)
class Family:
    """One architecture: its name, its source, and its settings at each size."""

    name: str
    paper: str
    """Where it comes from, as ``arXiv:2201.03545``."""
    title: str
    mechanism: str
    """The idea that names it, in one line."""
    build: Callable[..., Backbone]
    """Called as ``build(num_classes=…, image_size=…, **settings)``."""
    tiny: Mapping[str, Any]
    full: Mapping[str, Any]
    any_image_size: bool = True
    """False where a built model accepts only the image size it was built for."""
    channels_last: bool = True
    """Whether weights in channels-last order train faster (benchmarks/compute_format.py)."""
    notes: str = field(default="")
    """Where it departs from the paper, and why."""


_families: dict[str, Family] = {}


def register(family: Family) -> Family:
    """Add a family; called once, at the bottom of each backbone's file."""
    if family.name in _families:
        raise ValueError(f"backbone {family.name} is registered twice")
    _families[family.name] = family
    return family


def find_family(name: str) -> Family:
    """Return the family called ``name``; UnknownBackboneError lists the near misses."""
    if name not in _families:
        raise UnknownBackboneError(name, near=difflib.get_close_matches(name, _families, n=3))
    return _families[name]


def create_backbone(name: str, *, size: str, num_classes: int, image_size: int) -> Backbone:
    """Build the backbone ``name`` at ``size`` (tiny or full), freshly initialised.

    The weights come from torch's global generator: seed it first. They are in the order in
    which the family trains faster; convolutions follow their weights, whatever the images.
    """
    family = find_family(name)
    settings = {"tiny": family.tiny, "full": family.full}[size]
    model = family.build(num_classes=num_classes, image_size=image_size, **settings)
    order = torch.channels_last if family.channels_last else torch.contiguous_format
    return model.to(memory_format=order)  # type: ignore[call-overload, no-any-return]
