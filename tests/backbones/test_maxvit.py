import pytest
import torch
from torch import Tensor, nn

from holdfast.backbones.maxvit import GridAttention
from holdfast.backbones.window_attention import WindowAttention

SIDE, WINDOW = 8, 4


def reached(attention: nn.Module, row: int, column: int) -> Tensor:
    """Return which outputs (SIDE, SIDE) change when one input pixel does."""
    before = torch.randn(1, SIDE, SIDE, 8)
    after = before.clone()
    after[0, row, column] += 1.0
    with torch.no_grad():
        return (attention(before) != attention(after))[0].any(dim=-1)


def make(kind: type[WindowAttention]) -> WindowAttention:
    """Return block or grid attention over the test's map."""
    return kind(8, 2, side=SIDE, window=WINDOW)


def test_block_reaches_neighbours_and_grid_reaches_far() -> None:
    """Block attention fills the pixel's 4x4 block; grid attention every second row and column."""
    torch.manual_seed(0)
    block = torch.zeros(SIDE, SIDE, dtype=torch.bool)
    block[:4, 4:] = True
    grid = torch.zeros(SIDE, SIDE, dtype=torch.bool)
    grid[1::2, 0::2] = True

    assert torch.equal(block, reached(make(WindowAttention), 1, 6))
    assert torch.equal(grid, reached(make(GridAttention), 1, 6))


def test_block_then_grid_reaches_every_pixel() -> None:
    """The pair is global, though neither half is."""
    torch.manual_seed(0)
    both = nn.Sequential(make(WindowAttention), make(GridAttention))

    assert reached(both, 1, 6).all()


@pytest.mark.parametrize("kind", [WindowAttention, GridAttention])
def test_splitting_loses_nothing(kind: type[WindowAttention]) -> None:
    """Cut into groups and put together again, a map is itself; the cut is not the identity."""
    attention = make(kind)
    x = torch.arange(2 * SIDE * SIDE * 3.0).reshape(2, SIDE, SIDE, 3)

    groups = attention.split(x)

    assert torch.equal(x, attention.merge(groups, SIDE))
    assert not torch.equal(x.flatten(), groups.flatten())
