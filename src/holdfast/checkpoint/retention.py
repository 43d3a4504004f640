"""Which checkpoints to keep: a pure function."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")

FEWEST_VERIFIED = 2
"""Verified generations of a job in progress that are always kept: the newest may be the one
that the next crash damages."""


@dataclass(frozen=True)
class Generation(Generic[Item]):
    """One checkpoint of a job, and whether it verifies."""

    item: Item
    verified: bool


def keep(
    newest_first: Sequence[Generation[Item]], latest: int, *, verified: int = FEWEST_VERIFIED
) -> list[Item]:
    """Return what to keep: the ``latest`` newest, and enough that ``verified`` of them are good.

    >>> keep([Generation("c", False), Generation("b", True), Generation("a", True)], latest=1)
    ['c', 'b', 'a']
    """
    kept, good = [], 0
    for index, generation in enumerate(newest_first):
        if index >= latest and good >= verified:
            break
        kept.append(generation.item)
        good += generation.verified
    return kept
