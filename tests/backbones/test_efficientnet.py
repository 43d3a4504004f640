"""EfficientNetV2: dense and local early, depthwise with a global gate late."""

import torch
from torch import Tensor, nn

from holdfast.backbones.efficientnet import FusedMBConv, MBConv
from holdfast.backbones.registry import create_backbone, find_family


def _changed_by_one_pixel(block: nn.Module) -> Tensor:
    """Return which positions (9, 9) of the output move when the centre pixel does."""
    block.double().eval()  # float32 would round small changes away
    before = torch.randn(1, 8, 9, 9).double()
    after = before.clone()
    after[:, :, 4, 4] += 1.0
    with torch.no_grad():
        return (block(before) != block(after)).any(1)[0]


def test_a_fused_block_is_local() -> None:
    """Without squeeze-excite, a pixel reaches its 3x3 neighbourhood and nothing else."""
    expected = torch.zeros(9, 9, dtype=torch.bool)
    expected[3:6, 3:6] = True

    assert torch.equal(_changed_by_one_pixel(FusedMBConv(8, 8)), expected)


def test_a_late_block_is_gated_by_the_whole_map() -> None:
    """With squeeze-excite, a pixel reaches every position of the map."""
    assert _changed_by_one_pixel(MBConv(8, 8)).all()


def test_the_early_stages_are_fused_and_the_late_are_not() -> None:
    """At both sizes the blocks of the body change kind exactly once, from fused to MBConv."""
    family = find_family("CustomEfficientNetV4")
    for settings in (family.tiny, family.full):
        kinds = [stage.kind for stage in settings["stages"]]
        assert set(kinds) == {"fused", "mbconv"}
        assert kinds == sorted(kinds)

    model = create_backbone("CustomEfficientNetV4", size="tiny", num_classes=2, image_size=32)
    blocks = [m for m in model.modules() if isinstance(m, FusedMBConv | MBConv)]
    expected = [
        FusedMBConv if stage.kind == "fused" else MBConv
        for stage in family.tiny["stages"]
        for _ in range(stage.depth)
    ]
    assert [type(block) for block in blocks] == expected
