"""What the shell offers while an option is typed; loads what it needs only then, and no torch."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import typer


def one_of(setting: str) -> Callable[[str], list[str]]:
    """Return what completes an option from the few words that a setting may be."""

    def complete(incomplete: str) -> list[str]:
        from holdfast.config import choices

        return list(_beginning(choices(setting), incomplete))

    return complete


def backbone_list(incomplete: str) -> list[str]:
    """Complete the last of several names between commas; offer none a second time."""
    from holdfast.config import BACKBONES

    before, comma, last = incomplete.rpartition(",")
    named = before.split(",")
    left = [name for name in BACKBONES if name not in named]
    words = left if comma else [*left, "all"]
    return [f"{before}{comma}{word}" for word in _beginning(words, last)]


def backbone_of_run(ctx: typer.Context, incomplete: str) -> list[str]:
    """Complete a backbone of the run that the command names; any of ours, where it has none."""
    from holdfast.config import BACKBONES

    return list(
        _beginning(_recorded(str(ctx.params.get("checkpoint_dir"))) or BACKBONES, incomplete)
    )


def device(incomplete: str) -> list[str]:
    """Complete a device; which numbers there are, only torch knows."""
    return list(_beginning(("auto", "cpu", "cuda"), incomplete))


def _recorded(where: str) -> list[str]:
    """Return the backbones of a run on this machine; a store is not asked at each key."""
    from holdfast.errors import HoldfastError
    from holdfast.rundir import load_state
    from holdfast.storage.objects import is_url

    try:
        state = None if is_url(where) else load_state(Path(where))
    except HoldfastError:  # the command itself will say it
        return []
    return state.backbones if state else []


def _beginning(words: Iterable[str], incomplete: str) -> Iterator[str]:
    return (word for word in words if word.startswith(incomplete))
