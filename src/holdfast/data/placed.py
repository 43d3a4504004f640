"""The cache's images on the training device, where they fit: a batch is then indexed there."""

from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from holdfast.data.cache import ImageCache
from holdfast.data.dataset import ImageSet

_SHARE = 4  # of a device's free memory, what is kept there takes one part in so many
_CHUNK = 512  # images moved at a time

_placed: WeakKeyDictionary[ImageCache, dict[torch.device, Tensor]] = WeakKeyDictionary()


class PlacedSet(ImageSet):
    """The same images as an `ImageSet`, with all of the cache's ``pixels`` on a device."""

    def __init__(
        self, cache: ImageCache, indices: NDArray[np.int64] | Sequence[int], pixels: Tensor
    ) -> None:
        super().__init__(cache, indices)
        self.pixels = pixels

    def __getitems__(self, indices: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Return a whole batch: uint8 (B, R, R, 3) on the device, and int64 (B,)."""
        chosen = self.indices[np.asarray(indices, dtype=np.int64)]
        images = self.pixels.index_select(0, torch.from_numpy(chosen).to(self.pixels.device))
        return images, torch.from_numpy(self.cache.labels[chosen])


def has_room(device: torch.device, size: int) -> bool:
    """Tell whether ``device`` has memory of its own, and enough to keep ``size`` bytes there."""
    return device.type == "cuda" and size * _SHARE <= torch.cuda.mem_get_info(device)[0]


def on_device(dataset: Any, device: torch.device) -> Any:
    """Return ``dataset`` with its images kept on ``device``, or as it is where they do not fit.

    The images of a cache are moved there once, for all the sets of this process.
    """
    if type(dataset) is not ImageSet:  # of somebody's own, or placed already
        return dataset
    cache = dataset.cache
    kept = _placed.setdefault(cache, {})
    if device not in kept:
        if not has_room(device, len(cache) * cache.resize**2 * 3):
            return dataset
        kept[device] = place(cache, device)
    return PlacedSet(cache, dataset.indices, kept[device])


def place(cache: ImageCache, device: torch.device) -> Tensor:
    """Return all images of ``cache`` on ``device``: uint8 (n, R, R, 3)."""
    count, side = len(cache), cache.resize
    pixels = torch.empty((count, side, side, 3), dtype=torch.uint8, device=device)
    for start in range(0, count, _CHUNK):
        some = np.arange(start, min(start + _CHUNK, count))
        pixels[start : start + len(some)] = torch.from_numpy(cache.gather(some))
    return pixels
