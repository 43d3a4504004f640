"""What all fifteen backbones promise, asked of each."""

import copy

import pytest
import torch
from torch import Tensor

from holdfast.backbones import Backbone, create_backbone, find_family
from holdfast.config import BACKBONES

CLASSES = 5
EVERY = pytest.mark.parametrize("name", BACKBONES)


def tiny(name: str, image_size: int = 32) -> Backbone:
    torch.manual_seed(0)
    return create_backbone(name, size="tiny", num_classes=CLASSES, image_size=image_size)


def images(count: int = 4, size: int = 32) -> Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(1))


@EVERY
def test_logits_are_the_head_on_the_features(name: str) -> None:
    """forward is forward_head of forward_features; pre_logits stops at num_features."""
    model = tiny(name).eval()
    features = model.forward_features(images())

    assert model(images()).shape == (4, CLASSES)
    assert model.forward_head(features, pre_logits=True).shape == (4, model.num_features)
    assert torch.equal(model.forward_head(features), model(images()))


@EVERY
def test_every_trainable_parameter_gets_a_gradient(name: str) -> None:
    """In finetune all learns: no parameter is left out of the graph."""
    model = tiny(name)
    model.train_all()
    model(images(16)).square().sum().backward()

    idle = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert not idle


@EVERY
def test_head_stage_changes_the_head_and_nothing_else(name: str) -> None:
    """With the backbone frozen, a step moves the head alone, BatchNorm statistics included."""
    model = tiny(name)
    model.train_head()
    before = copy.deepcopy(model.state_dict())
    optimizer = torch.optim.SGD(model.head_parameters(), lr=0.1)
    torch.nn.functional.cross_entropy(model(images()), torch.arange(4)).backward()
    optimizer.step()

    moved = {key for key, value in model.state_dict().items() if not value.equal(before[key])}
    assert moved
    assert all(key.startswith("head.") for key in moved)


@EVERY
def test_state_dict_round_trip_gives_the_same_logits(name: str) -> None:
    """A model built anew computes the same bits from the saved weights alone."""
    model, other = tiny(name), tiny(name)
    model.train_all()
    model(images())  # moves the BatchNorm statistics
    other.load_state_dict(model.state_dict())

    assert torch.equal(other.eval()(images()), model.eval()(images()))


@EVERY
def test_other_image_sizes(name: str) -> None:
    """It can be built for 64 px; where the architecture allows, a model takes any size."""
    assert tiny(name, 64).eval()(images(2, 64)).shape == (2, CLASSES)
    if find_family(name).any_image_size:
        assert tiny(name).eval()(images(2, 64)).shape == (2, CLASSES)


@EVERY
def test_reset_classifier_changes_the_classes_only(name: str) -> None:
    """A fresh head for other classes sits on unchanged features."""
    model = tiny(name).eval()
    before = model.forward_features(images())
    model.reset_classifier(7)

    assert model(images()).shape == (4, 7)
    assert torch.equal(model.forward_features(images()), before)


@EVERY
def test_same_seed_same_weights_same_step(name: str) -> None:
    """Building and one training step are functions of the seed: no hidden state anywhere."""

    def step() -> dict[str, Tensor]:
        model = tiny(name)
        model.train_all()
        optimizer = torch.optim.AdamW(model.parameters(), fused=True)
        torch.manual_seed(3)
        torch.nn.functional.cross_entropy(model(images()), torch.arange(4)).backward()
        optimizer.step()
        return model.state_dict()

    first, second = step(), step()
    assert all(torch.equal(first[key], second[key]) for key in first)


@EVERY
def test_bfloat16_autocast_and_channels_last(name: str) -> None:
    """It runs the way a modern GPU wants it, and stays finite."""
    model = tiny(name).to(memory_format=torch.channels_last).eval()
    batch = images().contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(batch)

    assert logits.shape == (4, CLASSES)
    assert torch.isfinite(logits.float()).all()


@EVERY
@pytest.mark.parametrize("size", ["tiny", "full"])
def test_no_layer_that_breaks_torch(name: str, size: str) -> None:
    """torch 2.13's CPU gradient of a strided 1x1 convolution from under 16 channels, in
    channels-last order, writes outside its memory: no backbone may have such a layer."""
    with torch.device("meta"):
        model = create_backbone(name, size=size, num_classes=10, image_size=224)

    convolutions = [m for m in model.modules() if isinstance(m, torch.nn.Conv2d)]
    assert not [
        c
        for c in convolutions
        if c.kernel_size == (1, 1) and c.stride != (1, 1) and c.in_channels < 16
    ]


# Millions of parameters at full size, 224 px and 1000 classes, from the project the guide
# belongs to; a third either way is tolerated.
EXPECTED = {
    "CustomConvNeXt": (27, 27),
    "CustomEfficientNetV4": (7, 20),
    "CustomGhostNetV2": (11, 11),
    "CustomResNetMish": (23, 23),
    "CustomCSPDarkNet": (5, 27),
    "CustomInceptionV4": (7, 43),
    "CustomViTHybrid": (86, 127),
    "CustomSwinTransformer": (28, 85),
    "CustomCoAtNet": (25, 115),
    "CustomRegNet": (20, 55),
    "CustomDenseNetHybrid": (6, 20),
    "CustomDeiTStyle": (22, 92),
    "CustomMaxViT": (31, 104),
    "CustomMobileOne": (10, 10),
    "CustomDynamicConvNet": (11, 71),
}


@EVERY
def test_full_size_has_about_the_expected_parameters(name: str) -> None:
    """The full size is the real network: its parameter count is where it is known to be."""
    with torch.device("meta"):
        model = create_backbone(name, size="full", num_classes=1000, image_size=224)
    low, high = EXPECTED[name]
    millions = sum(parameter.numel() for parameter in model.parameters()) / 1e6

    assert low * 2 / 3 <= millions <= high * 4 / 3
