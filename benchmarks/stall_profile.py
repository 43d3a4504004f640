"""Where the milliseconds of our own stall go, function by function."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import torch
from stall_loop import Loop
from table import milliseconds, table

from holdfast.checkpoint import snapshot
from holdfast.training.saver import Saver
from holdfast.training.state import TrainState

SAVES = 15
PARTS: tuple[tuple[str, Any, str], ...] = (
    ("the call: `Saver.begin`", Saver, "begin"),
    ("· `TrainState.record`: state dicts, history", TrainState, "record"),
    ("· · `Optimizer.state_dict`", torch.optim.Optimizer, "state_dict"),
    ("· `TrainState.fenced`: keys of what a step changes", TrainState, "fenced"),
    ("· handing it to the thread", ThreadPoolExecutor, "submit"),
    ("· `Snapshot`", snapshot.Snapshot, "__init__"),
    ("· · `savable`: a copy of the containers", snapshot, "savable"),
    ("· · `storages_of`: a walk over the tensors", snapshot, "storages_of"),
    ("copies, at once or at the fence: `_Piece.keep`", snapshot._Piece, "keep"),
    ("the fence: `Snapshot.fence`", snapshot.Snapshot, "fence"),
)


def profile(loop: Loop) -> str:
    """Save some times, with a clock around each part, and return the medians as a table."""
    spent: dict[str, list[float]] = defaultdict(list)
    for _ in range(SAVES):
        with clocks() as seconds:
            loop.cycle(loop.ours)
        for title, _, _ in PARTS:
            spent[title].append(seconds.get(title, 0.0))
    rows = [
        [title, milliseconds(spent[title]), f"{1000 * min(spent[title]):.2f}"] for title in spent
    ]
    count = len(loop.storages())
    note = f"{count} tensors with memory of their own, {SAVES} saves; parts are in their wholes.\n"
    return f"{table(['part', 'median, ms', 'least, ms'], rows)}\n{note}"


@contextmanager
def clocks() -> Iterator[dict[str, float]]:
    """Put a clock around each part, and return the seconds by its title."""
    seconds: dict[str, float] = defaultdict(float)
    with ExitStack() as stack:
        for title, owner, name in PARTS:
            timed = clock(getattr(owner, name), seconds, title)
            stack.enter_context(patch.object(owner, name, timed))
        yield seconds


def clock(function: Callable[..., Any], seconds: dict[str, float], title: str) -> Any:
    """Return ``function`` with a clock around it."""

    def timed(*arguments: Any, **options: Any) -> Any:
        began = time.perf_counter()
        try:
            return function(*arguments, **options)
        finally:
            seconds[title] += time.perf_counter() - began

    return timed
