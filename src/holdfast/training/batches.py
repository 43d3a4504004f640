"""From a dataset and a list of index batches to collated batches, with or without workers."""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset, default_collate

from holdfast.training.randomness import reseed

Item_co = TypeVar("Item_co", covariant=True)


class MapDataset(Protocol[Item_co]):
    """Anything with a length and items by number; torch's map-style datasets are."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> Item_co: ...


@runtime_checkable
class BatchedDataset(Protocol):
    """A dataset that makes a whole batch at once: a list of items, or a batch already collated."""

    def __getitems__(self, indices: Sequence[int], /) -> Any: ...


class _Positioned(Dataset[Any]):
    """Fetches one batch after reseeding for it, so that it does not matter which worker does."""

    def __init__(
        self, dataset: MapDataset[Any], batches: list[NDArray[np.int64]], seeds: list[int]
    ) -> None:
        self.dataset, self.batches, self.seeds = dataset, batches, seeds

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, number: int) -> Any:
        reseed(self.seeds[number])
        indices = self.batches[number].tolist()
        if isinstance(self.dataset, BatchedDataset):
            made = self.dataset.__getitems__(indices)
        else:
            made = [self.dataset[index] for index in indices]
        return default_collate(made) if isinstance(made, list) else made


def fetch(
    dataset: MapDataset[Any],
    batches: list[NDArray[np.int64]],
    seeds: list[int],
    workers: int,
) -> Iterator[Any]:
    """Yield each batch of ``dataset``, the same bits for any number of ``workers``.

    Items are collated by torch's default rules; a dataset whose ``__getitems__`` returns
    anything but a list has done that itself.
    """
    positioned = _Positioned(dataset, batches, seeds)
    if workers == 0:
        return (positioned[number] for number in range(len(positioned)))
    return iter(DataLoader(positioned, batch_size=None, shuffle=False, num_workers=workers))
