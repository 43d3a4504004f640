"""CSPDarknet: half of each stage goes around its blocks."""

import torch
from torch import Tensor, nn

from holdfast.backbones.cspdarknet import CrossStage


def _stage() -> CrossStage:
    return CrossStage(4, 8, depth=2, part=4, hidden=4).eval()


def _joined(stage: CrossStage, images: Tensor) -> Tensor:
    """Return what the stage concatenates before its last transition."""
    seen: list[Tensor] = []
    hook = stage.join.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    with torch.no_grad():
        stage(images)
    hook.remove()
    return seen[0]


def test_one_part_goes_around_the_blocks() -> None:
    """Other block weights change the part that passes them, and not a bit of the other."""
    stage = _stage()
    x = torch.randn(2, 4, 8, 8)
    around, through = _joined(stage, x).chunk(2, 1)
    for parameter in stage.blocks.parameters():
        nn.init.normal_(parameter)
    around_after, through_after = _joined(stage, x).chunk(2, 1)

    assert torch.equal(around, around_after)
    assert not torch.equal(through, through_after)


def test_the_two_parts_share_no_gradient() -> None:
    """Cutting the blocks' path leaves the bypassed half learning exactly as before."""
    stage = _stage()
    x = torch.randn(2, 4, 8, 8)
    weight = stage.prepare[0].weight

    def gradient(cut: bool) -> Tensor:
        handle = stage.blocks.register_forward_hook(lambda _, __, out: out.detach() if cut else out)
        (grad,) = torch.autograd.grad(stage(x).sum(), weight)
        handle.remove()
        return grad

    whole, cut = gradient(cut=False), gradient(cut=True)
    assert torch.equal(whole[:4], cut[:4])
    assert whole[4:].abs().sum() > 0
    assert cut[4:].abs().sum() == 0


def test_the_blocks_are_residual_and_see_one_part() -> None:
    """Each block works on half of the stage's channels and adds to them."""
    stage = _stage()
    for block in stage.blocks:
        nn.init.zeros_(block.body[-1][0].weight)  # leaves norm(0) = 0, then LeakyReLU(0) = 0
    x = torch.randn(2, 4, 8, 8)

    assert torch.equal(stage.blocks(x), x)
