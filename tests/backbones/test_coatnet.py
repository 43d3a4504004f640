import pytest
import torch
from torch import nn
from torch.nn import functional as F

from holdfast.backbones.attention import RelativeAttention
from holdfast.backbones.coatnet import DownAttentionBlock
from holdfast.backbones.mbconv import PreNormMBConv


@torch.no_grad()
def test_attention_can_be_a_convolution() -> None:
    """With equal contents, a large number at one offset makes every cell copy that neighbour."""
    torch.manual_seed(0)
    side, dim = 4, 8
    attention = RelativeAttention(dim, 2, side)
    attention.qkv.weight[: 2 * dim] = 0  # no queries, no keys: position alone decides
    attention.qkv.bias.zero_()
    towards_right = attention.position.index[0, 1]  # from cell (0, 0) to cell (0, 1)
    attention.position.table.zero_()[towards_right] = 100.0
    x = torch.randn(1, side * side, dim)

    values = F.linear(x, attention.qkv.weight[2 * dim :])
    right_neighbour = attention.project(values).reshape(side, side, dim)[:, 1:]
    mixed = attention(x).reshape(side, side, dim)[:, :-1]

    torch.testing.assert_close(mixed, right_neighbour)


@torch.no_grad()
def test_attention_widens_and_stays_global() -> None:
    """In a stage's first block one cell reaches every cell of the halved, wider map."""
    torch.manual_seed(0)
    block = DownAttentionBlock(8, 16, heads=2, side=4, drop_path=0.0).eval()
    before = torch.randn(1, 8, 8, 8)
    after = before.clone()
    after[0, :, 0, 0] = 10 * torch.randn(8)  # large: some have to be the maximum of their pool

    changed = (block(before) != block(after)).any(dim=-1)

    assert changed.shape == (1, 16)
    assert changed.all()


@torch.no_grad()
@pytest.mark.parametrize("kind", ["convolution", "attention"])
def test_first_block_of_a_stage_has_a_pooled_shortcut(kind: str) -> None:
    """With its branches silenced, a down-sampling block is Proj(Pool(x))."""
    torch.manual_seed(0)
    x = torch.randn(2, 8, 8, 8)
    block: PreNormMBConv | DownAttentionBlock
    if kind == "convolution":
        block = PreNormMBConv(8, 16, stride=2, pool=nn.MaxPool2d)
        last_layers = [block.body[-1]]
    else:
        block = DownAttentionBlock(8, 16, heads=2, side=4, drop_path=0.0)
        last_layers = [block.attention.project, block.mlp[-2]]
    for layer in last_layers:
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)

    projection = block.shortcut[1]
    expected = projection(F.max_pool2d(x, 2))
    found = block(x)
    if kind == "attention":
        found = found.transpose(1, 2).reshape(expected.shape)

    torch.testing.assert_close(found, expected)
