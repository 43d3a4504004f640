"""GhostNetV2: cheap ghosts, and attention along rows and columns."""

import torch
from torch import Tensor

from holdfast.backbones.ghostnet import AttentiveGhostModule, DfcAttention, GhostModule


def _gates_moved(attention: DfcAttention, size: int, row: int, column: int) -> Tensor:
    """Return which gates (size, size) move when the pixel at ``row``, ``column`` does."""
    before = torch.randn(1, 4, size, size).double()  # float32 rounds small changes away
    after = before.clone()
    after[:, :, row, column] += 1.0
    with torch.no_grad():
        return (attention(before) != attention(after)).any(1)[0]


def test_a_ghost_depends_on_its_own_primary_channel_only() -> None:
    """Changing one computed channel changes it and its ghost, and no other channel."""
    module = GhostModule(4, 12, act=False).eval()
    x = torch.randn(2, 4, 8, 8)
    with torch.no_grad():
        before = module(x)
        module.primary[0].weight[2] += 1.0
        changed = (module(x) != before).flatten(2).any(2).any(0)

    assert changed.nonzero().flatten().tolist() == [2, 8]


def test_attention_connects_rows_and_columns_in_turn() -> None:
    """A corner reaches all of a small map; without the column pass, only its own row."""
    attention = DfcAttention(4, 4).double().eval()
    assert _gates_moved(attention, 6, 0, 0).all()

    with torch.no_grad():
        attention.along_column[0].weight.copy_(torch.tensor([[0.0], [0], [1], [0], [0]]))
    expected = torch.zeros(10, 10, dtype=torch.bool)
    expected[4:6] = True  # two pixels high: a gate is computed on the halved map
    assert torch.equal(_gates_moved(attention, 10, 4, 4), expected)


def test_attention_multiplies_the_ghost_module() -> None:
    """The module's output is the plain ghost output times a gate between zero and one."""
    module = AttentiveGhostModule(4, 8).eval()
    x = torch.randn(2, 4, 7, 7)
    with torch.no_grad():
        gate, plain, gated = module.attention(x), GhostModule.forward(module, x), module(x)

    assert gate.shape == plain.shape
    assert gate.min() > 0 and gate.max() < 1 and gate.min() < gate.max()
    torch.testing.assert_close(plain * gate, gated)
