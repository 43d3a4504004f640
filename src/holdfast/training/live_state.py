"""A module's state dict that is not made anew for each checkpoint."""

from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor, nn

_MAKERS = ("state_dict", "_save_to_state_dict", "get_extra_state")


class LiveState:
    """Keeps the state dict of a module, whose tensors show the weights as they change.

    `torch.nn.Module.state_dict` takes a millisecond for some hundred tensors, at each call. What
    it returned holds as long as the same modules have the same tensors in the same memory, which
    is looked at each time. A module that makes its state dict in a way of its own is asked anew.
    """

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self._made: Mapping[str, Any] = {}
        self._places: list[tuple[dict[str, Any], str, Any, int]] = []
        self._sizes: list[tuple[dict[Any, Any], int]] = []

    def get(self) -> Mapping[str, Any]:
        """Return the state dict; whoever keeps it copies the dict."""
        if not self._places or not self._holds():
            self._made = self.module.state_dict()
            plain = all(_is_plain(module) for module in self.module.modules())
            self._places = list(_places(self.module)) if plain else []
            self._sizes = list(_sizes(self.module))
        return self._made

    def _holds(self) -> bool:
        same_number = all(len(things) == count for things, count in self._sizes)
        return same_number and all(
            things.get(name) is thing and _address(thing) == at
            for things, name, thing, at in self._places
        )


def _is_plain(module: nn.Module) -> bool:
    kind = type(module)
    own = [name for name in _MAKERS if getattr(kind, name) is not getattr(nn.Module, name)]
    return not own and not module._state_dict_hooks and not module._state_dict_pre_hooks


def _places(root: nn.Module) -> Iterator[tuple[dict[str, Any], str, Any, int]]:
    for module in root.modules():
        for things in (module._parameters, module._buffers, module._modules):
            for name, thing in things.items():
                yield things, name, thing, _address(thing)


def _sizes(root: nn.Module) -> Iterator[tuple[dict[Any, Any], int]]:
    for module in root.modules():
        hooks = (module._state_dict_hooks, module._state_dict_pre_hooks)
        for things in (module._parameters, module._buffers, module._modules, *hooks):
            yield things, len(things)


def _address(thing: Any) -> int:
    return thing.data_ptr() if isinstance(thing, Tensor) else 0
