import torch
from torch.nn import functional as F

from holdfast.backbones.deit import DeiT


def make(num_classes: int = 5) -> DeiT:
    """Return a small model of 4 patches."""
    torch.manual_seed(0)
    return DeiT(num_classes=num_classes, image_size=16, patch_size=8, dim=16, depth=1, heads=2)


def test_logits_average_two_heads_on_two_tokens() -> None:
    """Each head reads its own token, and the model answers with their mean."""
    model = make().eval()
    images = torch.randn(2, 3, 16, 16)

    tokens = model.forward_features(images)
    label = model.head.label(tokens[:, 0])
    distillation = model.head.distillation(tokens[:, 1])

    assert not torch.allclose(label, distillation)
    torch.testing.assert_close(model(images), (label + distillation) / 2)


def test_label_teaches_both_heads() -> None:
    """Without a teacher the label's loss reaches both heads and both tokens."""
    model = make()
    F.cross_entropy(model(torch.randn(4, 3, 16, 16)), torch.arange(4)).backward()

    for head in (model.head.label, model.head.distillation):
        assert head.linear.weight.grad.abs().sum() > 0
    assert (model.encoder.prefix.grad.abs().sum(dim=-1) > 0).all()


def test_head_stage_and_reset_cover_both_heads() -> None:
    """A reset replaces both heads, and the head stage trains both and nothing else."""
    model = make(num_classes=5)
    model.reset_classifier(7)
    model.train_head()

    learning = [name for name, p in model.named_parameters() if p.requires_grad]
    widths = {model.head.label.linear.out_features, model.head.distillation.linear.out_features}

    assert widths == {7}
    assert learning == [
        "head.label.linear.weight",
        "head.label.linear.bias",
        "head.distillation.linear.weight",
        "head.distillation.linear.bias",
    ]
