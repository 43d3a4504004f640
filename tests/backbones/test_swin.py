import pytest
import torch
from torch import Tensor

from holdfast.backbones.attention import RelativePositionBias
from holdfast.backbones.layers import SelfAttention
from holdfast.backbones.window_attention import WindowAttention


def reached(attention: WindowAttention, side: int, row: int, column: int) -> Tensor:
    """Return which outputs (side, side) change when one input pixel does."""
    before = torch.randn(1, side, side, 8)
    after = before.clone()
    after[0, row, column] += 1.0
    with torch.no_grad():
        return (attention(before) != attention(after))[0].any(dim=-1)


@pytest.mark.parametrize(
    ("shift", "pixel", "rows_and_columns"),
    [
        pytest.param(0, 3, range(4), id="plain: its own window, not one pixel across the border"),
        pytest.param(2, 3, range(2, 6), id="shifted: across the border of the plain windows"),
        pytest.param(2, 0, range(2), id="shifted, at the edge: not round to the opposite edge"),
        pytest.param(2, 7, range(6, 8), id="shifted, at the far edge: nor the other way"),
    ],
)
def test_windows_bound_what_a_pixel_reaches(
    shift: int, pixel: int, rows_and_columns: range
) -> None:
    """A pixel reaches all of its window and nothing else, and a shift moves the windows."""
    torch.manual_seed(0)
    attention = WindowAttention(8, 2, side=8, window=4, shift=shift)

    expected = torch.zeros(8, 8, dtype=torch.bool)
    expected[rows_and_columns.start : rows_and_columns.stop] = True
    expected &= expected.T.clone()

    assert torch.equal(expected, reached(attention, 8, pixel, pixel))


def test_padding_takes_no_part() -> None:
    """In a window padded from 2x2 to 4x4 the four real pixels attend to each other alone."""
    torch.manual_seed(0)
    padded = WindowAttention(8, 2, side=6, window=4)
    torch.nn.init.normal_(padded.attention.qkv.bias)  # so that a zero pixel would be felt
    x = torch.randn(2, 6, 6, 8)

    corner = x[:, 4:, 4:].reshape(2, 4, 8)
    kept = torch.tensor([0, 1, 4, 5])  # the 2x2 corner of a 4x4 window
    bias = padded.attention.position()[:, :, kept][:, :, :, kept]
    alone = SelfAttention.forward(padded.attention, corner, bias)

    torch.testing.assert_close(padded(x)[:, 4:, 4:].reshape(2, 4, 8), alone)


def test_bias_belongs_to_the_offset() -> None:
    """Pairs of pixels share a number exactly when one lies at the same offset from the other."""
    torch.manual_seed(0)
    bias = RelativePositionBias(3, heads=1)()[0, 0].reshape(3, 3, 3, 3)

    assert bias[0, 0, 1, 2] == bias[1, 0, 2, 2]
    assert bias[0, 0, 1, 2] != bias[1, 2, 0, 0]
    assert len(bias.unique()) == 5 * 5
