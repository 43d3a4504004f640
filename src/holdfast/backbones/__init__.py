"""The fifteen backbones, behind one surface and one registry."""

from holdfast.backbones import (  # noqa: F401 - each registers its family
    coatnet,
    convnext,
    cspdarknet,
    deit,
    densenet_hybrid,
    dynamic_convnet,
    efficientnet,
    ghostnet,
    inception,
    maxvit,
    mobileone,
    regnet,
    resnet_mish,
    swin,
    vit_hybrid,
)
from holdfast.backbones.backbone import Backbone, ClassifierHead, count_parameters
from holdfast.backbones.registry import Family, create_backbone, find_family

__all__ = [
    "Backbone",
    "ClassifierHead",
    "Family",
    "count_parameters",
    "create_backbone",
    "find_family",
]
