"""The images of a run, decoded and split: what every job of it draws from."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from holdfast.config import RunConfig
from holdfast.data import (
    TEST,
    TRAIN,
    VAL,
    ImageCache,
    ImageSet,
    Source,
    Split,
    demo_digits,
    fold_indices,
    open_folder,
    prepare,
    resize_for,
    split_indices,
    spread_over_classes,
)
from holdfast.rundir import IMAGE_CACHE, JobName
from holdfast.storage.objects import local_folder, located

Indices = NDArray[np.int64]
_LEFT_OUT = -1


@dataclass(frozen=True)
class Sets:
    """What one job learns from, is judged by in training, and is measured on."""

    train: ImageSet
    val: ImageSet
    test: ImageSet


@dataclass(frozen=True)
class Material:
    """The decoded images and how they are split."""

    cache: ImageCache
    split: Split
    folds: list[tuple[Indices, Indices]]

    @property
    def classes(self) -> list[str]:
        """The names of the classes, by label."""
        return list(self.cache.classes)

    def sets(self, job: JobName) -> Sets:
        """Return the sets of a job; a fold is measured on the part it was judged by."""
        if job.fold is None:
            train, val, test = self.split
        else:
            train, val = self.folds[job.fold - 1]
            test = val
        return Sets(*(ImageSet(self.cache, part) for part in (train, val, test)))


def open_source(
    config: RunConfig,
    steps: int | None = None,
    on_notice: Callable[[str], None] = lambda _: None,
) -> Source:
    """Return where the images come from; DataError where there is nothing to train on.

    With ``steps``, only as many images as so many batches of an epoch need. Images at a URL are
    brought to this machine first.
    """
    folder = None if config.data is None else local_folder(config.data, on_notice)
    source = demo_digits() if folder is None else open_folder(folder)
    return source if steps is None else _few_images(config, source, steps)


def _few_images(config: RunConfig, source: Source, steps: int) -> Source:
    """Take some images of each part of the split, so that nothing else need be decoded."""
    labels = source.labels
    split = split_indices(labels, config.seed, source.split, source.classes)
    counts = {TRAIN: steps * config.batch_size, VAL: config.batch_size, TEST: config.batch_size}
    parts = np.full(len(labels), _LEFT_OUT, dtype=np.int8)
    for part, count in counts.items():
        parts[spread_over_classes(labels, split[part], count)] = part
    chosen = np.flatnonzero(parts != _LEFT_OUT)
    return source.take(chosen, parts[chosen])


def prepare_material(
    config: RunConfig,
    source: Source,
    progress: Callable[[int, int], None],
    check_stop: Callable[[], None],
) -> Material:
    """Decode the images once, and split them; the same config gives the same split.

    Raises:
        DataError: too many unreadable images, or classes too small to split or fold.
    """
    folds = config.folds if config.fold_counts else 0
    # too small a class is told before an hour of decoding, and again without the bad images
    _split(config, source.labels, source.split, source.classes, folds)
    cache = prepare(
        source,
        located(config.checkpoint_dir) / IMAGE_CACHE,
        resize=resize_for(config.image_size),
        max_bad_images=config.max_bad_images,
        progress=progress,
        check_stop=check_stop,
    )
    return divide(config, cache)


def divide(config: RunConfig, cache: ImageCache) -> Material:
    """Return the images of ``cache`` as a run with these settings splits them."""
    folds = config.folds if config.fold_counts else 0
    split, parts = _split(config, cache.labels, cache.split, cache.classes, folds)
    return Material(cache, split, parts)


def _split(
    config: RunConfig,
    labels: Indices,
    predefined: NDArray[np.int8] | None,
    classes: tuple[str, ...],
    folds: int,
) -> tuple[Split, list[tuple[Indices, Indices]]]:
    split = split_indices(labels, config.seed, predefined, classes)
    parts = fold_indices(labels, split, folds, config.seed, classes) if folds else []
    return split, parts
