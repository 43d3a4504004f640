"""A state dict that is kept is the one that would be made now."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from holdfast.checkpoint import storages_of
from holdfast.training.live_state import LiveState


class Counting(nn.BatchNorm1d):
    """A module with a state of its own beside its tensors."""

    def get_extra_state(self) -> Any:
        """Return what the tensors do not say."""
        return float(self.weight.detach().sum())

    def set_extra_state(self, state: Any) -> None:
        """Need nothing of it."""


def make() -> nn.Sequential:
    """Return layers with parameters, buffers, and a buffer that no state dict holds."""
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Sequential(nn.Linear(4, 2)))
    model[0].register_buffer("scratch", torch.zeros(3), persistent=False)
    return model


def train_a_step(model: nn.Sequential) -> None:
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, fused=True)
    model(torch.randn(8, 4)).sum().backward()
    optimizer.step()


def hook(module: nn.Module, state: dict[str, Any], *_: Any) -> None:
    state["hooked"] = torch.ones(1)


def replace_parameter(model: nn.Sequential) -> None:
    model[0].weight = nn.Parameter(torch.ones(4, 4))


def move_data(model: nn.Sequential) -> None:
    model[0].weight.data = torch.ones(4, 4)


CHANGES: dict[str, Callable[[nn.Sequential], Any]] = {
    "a step": train_a_step,
    "a parameter in the place of another": replace_parameter,
    "another memory": move_data,
    "another type": lambda model: model.double(),
    "a load": lambda model: model.load_state_dict(make().state_dict()),
    "a module more": lambda model: model.append(nn.Linear(2, 2)),
    "a module in the place of another": lambda model: model.__setitem__(2, nn.Linear(4, 2)),
    "a buffer more": lambda model: model.register_buffer("more", torch.ones(2)),
    "a buffer less": lambda model: delattr(model[1], "running_mean"),
    "a hook": lambda model: model.register_state_dict_post_hook(hook),
    "a state of its own": lambda model: model.__setitem__(1, Counting(4)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_state_after_any_change_is_the_new_one(change: str) -> None:
    """Whatever becomes of the module, a checkpoint holds what it is now."""
    model = make()
    live = LiveState(model)
    live.get()
    for _ in range(2):
        CHANGES[change](model) if change != "a buffer less" or "1.running_mean" in live.get() else 0
        kept, now = live.get(), model.state_dict()
        assert list(kept) == list(now)
        assert kept._metadata == now._metadata  # type: ignore[attr-defined]
        for name, value in now.items():
            same = torch.equal(kept[name], value) if torch.is_tensor(value) else kept[name] == value
            assert same, name
        for known in live.settled.values():
            assert known == storages_of(now)


def test_state_of_an_unchanged_module_is_not_made_anew() -> None:
    """That is what it is for."""
    model = make()
    live = LiveState(model)
    before = live.get()
    train_a_step(model)
    assert live.get() is before
