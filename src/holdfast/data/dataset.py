"""Cached images as a dataset of torch."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from holdfast.data.cache import ImageCache


class ImageSet(Dataset[tuple[Tensor, int]]):
    """Some of a cache's images, in the order given, with their labels.

    Images are uint8 (R, R, 3), as cached: `Augment` makes of them what a backbone sees. A
    batch is read in one go; torch's DataLoader takes it as it is with ``collate_fn=tuple``.
    """

    def __init__(self, cache: ImageCache, indices: NDArray[np.int64] | Sequence[int]) -> None:
        self.cache = cache
        self.indices: NDArray[np.int64] = np.asarray(indices, dtype=np.int64)

    @property
    def labels(self) -> NDArray[np.int64]:
        """The label of each image, in order: int64 (n,)."""
        return self.cache.labels[self.indices]

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        images, labels = self.__getitems__([index])
        return images[0], int(labels[0])

    def __getitems__(self, indices: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Return a whole batch: uint8 (B, R, R, 3) and int64 (B,)."""
        chosen = self.indices[np.asarray(indices, dtype=np.int64)]
        images = torch.from_numpy(self.cache.gather(chosen))
        return images, torch.from_numpy(self.cache.labels[chosen])
