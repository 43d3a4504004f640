"""A module's state dict that is not made anew for each checkpoint."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, UntypedStorage, nn

from holdfast.checkpoint import storages_of

_MAKERS = ("state_dict", "_save_to_state_dict", "get_extra_state")


class LiveState:
    """Keeps the state dict of a module, whose tensors show the weights as they change.

    `torch.nn.Module.state_dict` takes a millisecond for some hundred tensors, at each call. What
    it returned holds as long as the same modules have the same tensors in the same memory, which
    is looked at each time. A module that makes its state dict in a way of its own is asked anew.
    """

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.settled: dict[int, dict[int, UntypedStorage]] = {}
        """The storages of the state dict by its ``id``, while it is kept; see `Snapshot`."""
        self._made: Mapping[str, Any] = {}
        self._slots: list[dict[Any, Any]] = []
        self._full: list[dict[Any, Any]] = []
        self._things: list[Any] = []  # kept, so that no other thing gets the id of one
        self._tensors: list[Tensor] = []
        self._seen: list[list[int]] = []

    def get(self) -> Mapping[str, Any]:
        """Return the state dict, which nobody may change."""
        if not self.settled or self._seen != self._look():
            self._made = self.module.state_dict()
            plain = all(map(_is_plain, self.module.modules()))
            plain = plain and all(map(_is_tensor, self._made.values()))
            self.settled = {id(self._made): storages_of(self._made)} if plain else {}
            self._slots = list(_slots(self.module)) if plain else []
            self._full = [slots for slots in self._slots if slots]
            self._things = [thing for slots in self._slots for thing in slots.values()]
            self._tensors = [thing for thing in self._things if isinstance(thing, Tensor)]
            self._seen = self._look()
        return self._made

    def _look(self) -> list[list[int]]:
        """Return what is another number as soon as a state dict would be another."""
        return [
            [*map(len, self._slots)],
            [id(key) for slots in self._full for key in slots],
            [id(thing) for slots in self._full for thing in slots.values()],
            [tensor.data_ptr() for tensor in self._tensors],
        ]


def _is_plain(module: nn.Module) -> bool:
    kind = type(module)
    own = [name for name in _MAKERS if getattr(kind, name) is not getattr(nn.Module, name)]
    return not own and not module._state_dict_hooks and not module._state_dict_pre_hooks


def _is_tensor(value: Any) -> bool:
    return type(value) is Tensor and value.layout == torch.strided


def _slots(root: nn.Module) -> Iterator[dict[Any, Any]]:
    """Yield the dicts that a module and those inside it are made of."""
    for module in root.modules():
        hooks = (module._state_dict_hooks, module._state_dict_pre_hooks)
        yield from (module._parameters, module._buffers, module._modules, *hooks)
