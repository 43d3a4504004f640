"""MobileOne: many branches in training, one convolution after folding."""

import pytest
import torch
from torch import nn

from holdfast.backbones.mobileone import BranchedConv, MobileOne
from holdfast.backbones.registry import create_backbone


def unsettle_norms(model: nn.Module) -> None:
    """Give every BatchNorm statistics and an affine part that are far from the identity."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias)
            nn.init.normal_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.5, 2.0)


def tiny_model() -> MobileOne:
    """Return a tiny MobileOne with norms that matter, in training mode."""
    torch.manual_seed(0)
    model = create_backbone("CustomMobileOne", size="tiny", num_classes=5, image_size=32)
    unsettle_norms(model)
    assert isinstance(model, MobileOne)
    return model.train()


@pytest.mark.parametrize(
    ("channels", "kernel_size", "stride", "groups"),
    [((6, 6), 3, 1, 6), ((6, 6), 3, 2, 6), ((6, 6), 1, 1, 1), ((6, 9), 1, 1, 1), ((3, 8), 3, 2, 1)],
    ids=["depthwise", "depthwise-strided", "pointwise-skip", "pointwise", "stem"],
)
@pytest.mark.parametrize("size", [8, 9])
def test_folded_convolution_equals_its_branches(
    channels: tuple[int, int], kernel_size: int, stride: int, groups: int, size: int
) -> None:
    """Each kind of branched convolution folds to one that gives the same maps."""
    torch.manual_seed(0)
    branched = BranchedConv(*channels, kernel_size, branches=3, stride=stride, groups=groups)
    unsettle_norms(branched)
    branched = branched.double().eval()
    x = torch.randn(2, channels[0], size, size, dtype=torch.float64)

    torch.testing.assert_close(branched.fold()(x), branched(x), rtol=1e-12, atol=1e-12)


def test_reparameterized_model_gives_the_same_logits() -> None:
    """Folding leaves the logits alone, and no branch or norm behind."""
    model = tiny_model()

    plain = model.reparameterize()

    images = torch.randn(4, 3, 32, 32)
    torch.testing.assert_close(plain(images), model.eval()(images), rtol=1e-4, atol=1e-5)
    assert not [m for m in plain.modules() if isinstance(m, BranchedConv | nn.BatchNorm2d)]
    assert not plain.training


def test_reparameterize_leaves_training_undisturbed() -> None:
    """The model that was folded keeps its branches, values and mode; the generator stands still."""
    model = tiny_model()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    generator = torch.get_rng_state()

    plain = model.reparameterize()
    for tensor in plain.state_dict().values():
        tensor.zero_()

    assert model.training
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert torch.equal(torch.get_rng_state(), generator)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
