import torch

from holdfast.backbones.vit_hybrid import StandardisedConv, ViTHybrid


def make(patch_size: int = 1) -> ViTHybrid:
    """Return a small model whose stem leaves a map of 4x4."""
    torch.manual_seed(0)
    return ViTHybrid(
        num_classes=5,
        image_size=32,
        stem_width=8,
        stem_depths=(1, 1),
        dim=16,
        depth=2,
        heads=2,
        patch_size=patch_size,
    ).eval()


@torch.no_grad()
def test_tokens_are_patches_of_the_resnet_map() -> None:
    """The stem's 4x4 map gives 16 tokens in patches of 1x1, 4 in patches of 2x2, and a class."""
    images = torch.randn(1, 3, 32, 32)
    single, double = make(patch_size=1), make(patch_size=2)

    assert single.stem(images).shape[2:] == (4, 4)
    assert single.forward_features(images).shape == (1, 1 + 16, 16)
    assert double.forward_features(images).shape == (1, 1 + 4, 16)


@torch.no_grad()
def test_class_token_alone_answers() -> None:
    """What leaves the encoder in the patches' places has no say in the logits."""
    model = make()
    encoded = torch.randn(1, 17, 16)
    others = torch.cat((encoded[:, :1], torch.randn(1, 16, 16)), dim=1)

    assert torch.equal(model.forward_head(encoded), model.forward_head(others))


@torch.no_grad()
def test_class_token_sees_places_through_learned_positions() -> None:
    """Shuffling the map changes the class token's answer; without positions it cannot."""
    model = make()
    patches = torch.randn(1, 16, 4, 4)
    shuffled = patches.flatten(2)[:, :, torch.randperm(16)].reshape(patches.shape)

    def answer(embedded: torch.Tensor) -> torch.Tensor:
        return model.forward_head(model.encoder(embedded))

    assert not torch.allclose(answer(patches), answer(shuffled), atol=1e-4)
    model.encoder.position.zero_()
    torch.testing.assert_close(answer(patches), answer(shuffled))


@torch.no_grad()
def test_stem_filters_are_standardised() -> None:
    """Scaling a filter or adding a constant to it leaves the convolution as it was."""
    torch.manual_seed(0)
    conv = StandardisedConv(4, 8, 3)
    x = torch.randn(1, 4, 6, 6)

    before = conv(x)
    conv.weight.mul_(3.0).add_(0.5)

    torch.testing.assert_close(conv(x), before, rtol=1e-3, atol=1e-3)
