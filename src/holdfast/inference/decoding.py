"""Images from files to batches, decoded as a run decodes them, never more than a few at once."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from holdfast.data import BadImage, list_images, square

Item = TypeVar("Item")
OnBad = Callable[[Item, str], None]
_MOST_WORKERS = 16


def find_images(paths: Iterable[str | Path]) -> list[Path]:
    """Return the files that are named, and those below each directory, in the order of names.

    Raises:
        DataError: a directory may not be listed.
    """
    each = [Path(path) for path in paths]
    return [found for path in each for found in (list_images(path) if path.is_dir() else [path])]


def decoded(
    items: Iterable[Item],
    read: Callable[[Item], Image.Image],
    side: int,
    batch_size: int,
    on_bad: OnBad[Item],
) -> Iterator[tuple[list[Item], Tensor]]:
    """Yield batches of items and their images, uint8 (N, side, side, 3), in order.

    What cannot be read is told to ``on_bad`` and left out, so that a batch has ``batch_size``
    good ones, the last one excepted. Threads decode a batch ahead.
    """

    def square_of(item: Item) -> NDArray[np.uint8]:
        return square(read(item), side)

    kept: list[Item] = []
    images: list[NDArray[np.uint8]] = []
    workers = min(os.cpu_count() or 1, _MOST_WORKERS)
    with ThreadPoolExecutor(workers) as pool:
        for item, future in _ahead(pool, items, square_of, 2 * batch_size):
            try:
                images.append(future.result())
            except BadImage as bad:
                on_bad(item, bad.reason)
                continue
            kept.append(item)
            if len(kept) == batch_size:
                yield kept, torch.from_numpy(np.stack(images))
                kept, images = [], []
        if kept:
            yield kept, torch.from_numpy(np.stack(images))


def _ahead(
    pool: ThreadPoolExecutor,
    items: Iterable[Item],
    work: Callable[[Item], NDArray[np.uint8]],
    most: int,
) -> Iterator[tuple[Item, Future[NDArray[np.uint8]]]]:
    """Yield each item with its future, ``most`` of them under way."""
    waiting: deque[tuple[Item, Future[NDArray[np.uint8]]]] = deque()
    try:
        for item in items:
            waiting.append((item, pool.submit(work, item)))
            if len(waiting) >= most:
                yield waiting.popleft()
        while waiting:
            yield waiting.popleft()
    finally:
        for _, future in waiting:
            future.cancel()
