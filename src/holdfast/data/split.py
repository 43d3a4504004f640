"""Which images train, which validate, which test: stratified, and the same for a seed forever."""

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from holdfast.data.source import TEST, TRAIN, VAL
from holdfast.errors import DataError

Indices: TypeAlias = NDArray[np.int64]
_FEWEST = 2  # of a class: one may turn out to be unreadable


class Split(NamedTuple):
    """Three disjoint sets of images, each as sorted indices."""

    train: Indices
    val: Indices
    test: Indices


def split_indices(
    labels: NDArray[np.int64],
    seed: int,
    predefined: NDArray[np.int8] | None = None,
    classes: Sequence[str] | None = None,
) -> Split:
    """Split the images of each class 80/10/10, or as ``predefined`` says.

    Every class is in every part: a tenth is rounded, but never to nothing. Where ``predefined``
    (`TRAIN`, `VAL` or `TEST` for each image) lacks val or test, that part is taken from train,
    in the proportion the full split has. ``classes`` names the labels in messages.

    Raises:
        DataError: fewer than two classes, or a class too small to be in every part.
    """
    count = max(len(classes or ()), int(labels.max(initial=-1)) + 1)
    if count < 2:
        raise DataError(f"{count} class found: at least two are needed, each a folder; add another")
    given = np.full(len(labels), TRAIN, dtype=np.int8) if predefined is None else predefined
    parts = given.copy()
    missing = [part for part in (VAL, TEST) if not (given == part).any()]
    for label in range(count):
        members = np.flatnonzero(labels == label)
        pool = _shuffled(members[given[members] == TRAIN], seed, label)
        share = _share(len(pool), missing)
        for part in missing:
            parts[pool[:share]] = part
            pool = pool[share:]
        _check_present(parts[members], _name(classes, label))
    return Split(*(np.flatnonzero(parts == part).astype(np.int64) for part in (TRAIN, VAL, TEST)))


def fold_indices(
    labels: NDArray[np.int64],
    split: Split,
    folds: int,
    seed: int,
    classes: Sequence[str] | None = None,
) -> list[tuple[Indices, Indices]]:
    """Divide train and val into (train, val) of ``folds`` stratified folds; test is not touched.

    Raises:
        DataError: fewer than two folds, or a class with fewer images than folds.
    """
    if folds < 2:
        raise DataError(f"{folds} fold is no cross-validation: use --folds 2 or more")
    pool = np.sort(np.concatenate([split.train, split.val]))
    for label, count in enumerate(np.bincount(labels[pool]).tolist()):
        if count < folds:
            raise DataError(
                f"class {_name(classes, label)} has {count} images to train and validate on, "
                f"too few for {folds} folds: add images, or use a smaller --folds"
            )
    from sklearn.model_selection import StratifiedKFold  # slow to import, and not every run folds

    splitter = StratifiedKFold(folds, shuffle=True, random_state=seed % 2**32)
    return [(pool[train], pool[val]) for train, val in splitter.split(pool, labels[pool])]


def spread_over_classes(labels: NDArray[np.int64], indices: Indices, count: int) -> Indices:
    """Return ``count`` of ``indices``, sorted: of each class alike, and two at least."""
    mine = labels[indices]
    order = np.argsort(mine, kind="stable")
    sizes = np.bincount(mine)
    starts = np.cumsum(sizes) - sizes
    turn = np.empty(len(indices), dtype=np.int64)  # the how manieth of its class each one is
    turn[order] = np.arange(len(indices)) - starts[mine[order]]
    enough = max(count, int((turn < _FEWEST).sum()))
    return np.sort(indices[np.argsort(turn, kind="stable")[:enough]])


def _shuffled(members: Indices, seed: int, label: int) -> Indices:
    """Order by raw random bits: numpy promises that stream for all versions, shuffles not."""
    keys = np.random.PCG64([seed, label]).random_raw(len(members))
    return members[np.argsort(keys, kind="stable")]


def _share(count: int, missing: Sequence[int]) -> int:
    """Return how many images each missing part gets: 1/10 of all, or 1/9 of train and it."""
    divisor = 10 if len(missing) == 2 else 9
    return max(1, (2 * count + divisor) // (2 * divisor))


def _check_present(parts: NDArray[np.int8], name: str) -> None:
    for part, title in ((TRAIN, "train"), (VAL, "val"), (TEST, "test")):
        if not (parts == part).any():
            raise DataError(
                f"class {name} has {len(parts)} images, too few to split: none is left for "
                f"{title}; add images (3 at least), or remove the class"
            )


def _name(classes: Sequence[str] | None, label: int) -> str:
    return str(label) if classes is None else classes[label]
