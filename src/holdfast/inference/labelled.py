"""Any folder of labelled images, as the classes of a run: matched by name."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from holdfast.data import TEST, FolderSource, open_folder
from holdfast.errors import DataError
from holdfast.inference.classifier import Classifier
from holdfast.inference.decoding import OnBad, decoded
from holdfast.storage.objects import local_folder

_NAMED = 8


@dataclass(frozen=True)
class Labelled:
    """Labelled images that a run's classifiers can be measured on."""

    source: FolderSource
    indices: NDArray[np.int64]
    """Of the images that count."""
    labels: NDArray[np.int64]
    """By the run's numbers, of each image of the source."""
    missing: list[str]
    """The run's classes that no image is of."""

    def __len__(self) -> int:
        return len(self.indices)

    def batches(self, by: Classifier, on_bad: OnBad[str]) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield images (N, R, R, 3) uint8 and labels (N,); bad ones are told and left out."""
        read = partial(self.source.read, at_least=by.resize)
        told: OnBad[int] = lambda index, reason: on_bad(self.source.names[index], reason)  # noqa: E731
        side, size = by.resize, by.batch_size
        for chosen, images in decoded(self.indices.tolist(), read, side, size, told):
            yield images, torch.from_numpy(self.labels[chosen])


def open_labelled(data: str, classes: tuple[str, ...]) -> Labelled:
    """List a folder with one sub-folder per class, each a class of the run by its name.

    Of a folder with train/, val/ and test/ inside, test/ counts, if there is one.

    Raises:
        DataError: no such folder, no image, or a class that the run does not know.
    """
    source = open_folder(local_folder(data), least_classes=1)
    if unknown := [name for name in source.classes if name not in classes]:
        raise DataError(
            f"{data}: the run has no class {_listed(unknown)}; it has {_listed(list(classes))}: "
            "name the folders so, or leave out what it cannot know"
        )
    numbers = np.array([classes.index(name) for name in source.classes], dtype=np.int64)
    labels = numbers[source.labels]
    indices = np.arange(len(labels), dtype=np.int64)
    if source.split is not None and (source.split == TEST).any():
        indices = np.flatnonzero(source.split == TEST).astype(np.int64)
    present = set(labels[indices].tolist())
    missing = [name for number, name in enumerate(classes) if number not in present]
    return Labelled(source, indices, labels, missing)


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
