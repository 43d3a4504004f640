import numpy as np
import pytest

from holdfast.data import Split, fold_indices, split_indices, spread_over_classes
from holdfast.errors import DataError


def _labels(*counts: int) -> np.ndarray:
    labels = np.repeat(np.arange(len(counts)), counts)
    return np.random.default_rng(0).permutation(labels)


@pytest.mark.parametrize("counts", [(60,) * 13, (100, 10), (3, 4, 5, 6, 1000), (178, 182, 177)])
def test_parts_are_disjoint_complete_stratified(counts: tuple[int, ...]) -> None:
    """Every image is in one part, every class in every part, a tenth of it in val and in test."""
    labels = _labels(*counts)
    split = split_indices(labels, seed=1)
    assert sorted(np.concatenate(split)) == list(range(len(labels)))
    assert all((np.diff(part) > 0).all() and part.dtype == np.int64 for part in split)
    for part in (split.val, split.test):
        for label, count in enumerate(np.bincount(labels[part], minlength=len(counts))):
            assert count == max(1, int(counts[label] / 10 + 0.5))


def test_the_split_is_a_function_of_the_seed() -> None:
    """The same seed gives the same split, another seed another one."""
    labels = _labels(50, 50)
    first, same, other = (split_indices(labels, seed) for seed in (7, 7, 8))
    assert all((a == b).all() for a, b in zip(first, same, strict=True))
    assert not np.array_equal(first.test, other.test)


def test_the_split_is_the_same_on_every_machine() -> None:
    """The very indices are pinned: a library's update must not move images between parts."""
    split = split_indices(np.arange(30) % 2, seed=42)
    assert split.val.tolist() == [3, 8, 16, 21]
    assert split.test.tolist() == [2, 5, 20, 27]


def test_a_class_keeps_its_split_when_another_one_grows() -> None:
    """Adding images of one class moves none of another class."""
    before, after = np.repeat([0, 1], [20, 20]), np.repeat([0, 1], [20, 40])
    one, two = split_indices(before, 3), split_indices(after, 3)
    assert one.test[one.test < 20].tolist() == two.test[two.test < 20].tolist()


def test_predefined_parts_are_kept() -> None:
    """What the folder says is train, val or test stays that."""
    parts = np.repeat([0, 1, 2], [10, 4, 6]).astype(np.int8)
    split = split_indices(np.arange(20) % 2, 0, parts)
    for part, indices in enumerate(split):
        assert indices.tolist() == np.flatnonzero(parts == part).tolist()


@pytest.mark.parametrize("missing", [1, 2])
def test_a_missing_part_is_taken_from_train(missing: int) -> None:
    """Without val/ (or test/) a ninth of train becomes it, as in 80/10/10; the rest stays."""
    labels = np.tile([0, 1], 100)
    parts = np.where(np.arange(200) < 20, 3 - missing, 0).astype(np.int8)
    split = split_indices(labels, 5, parts)
    assert len(split[missing]) == 20
    assert split[3 - missing].tolist() == list(range(20))
    assert len(split.train) == 160


def test_a_small_class_is_an_error_that_names_it() -> None:
    """Two images cannot be in three parts."""
    with pytest.raises(DataError, match=r"class rust has 2 images, too few to split.*add images"):
        split_indices(np.array([0, 0, 0, 1, 1]), 0, classes=["healthy", "rust"])


@pytest.mark.parametrize("labels", [[], [0, 0, 0]])
def test_fewer_than_two_classes_is_an_error(labels: list[int]) -> None:
    """There is nothing to tell apart."""
    with pytest.raises(DataError, match="at least two"):
        split_indices(np.array(labels, dtype=np.int64), 0)


def test_folds_cover_train_and_val_once_and_leave_test_alone() -> None:
    """Each image of train and val validates in one fold; classes keep their shares."""
    labels = _labels(40, 60, 100)
    split = split_indices(labels, 0)
    folds = fold_indices(labels, split, 5, seed=0)
    pool = sorted([*split.train, *split.val])
    assert sorted(np.concatenate([val for _, val in folds])) == pool
    for train, val in folds:
        assert sorted([*train, *val]) == pool
        assert np.abs(np.bincount(labels[val]) - np.array([36, 54, 90]) / 5).max() < 1


def test_folds_are_a_function_of_the_seed() -> None:
    """The same seed gives the same folds, another seed others."""
    labels = _labels(40, 60)
    split = split_indices(labels, 0)

    def first(seed: int) -> list[int]:
        return fold_indices(labels, split, 4, seed)[0][1].tolist()

    assert first(1) == first(1) != first(2)
    assert first(2**40 + 1) == first(2**40 + 1)


def test_a_class_smaller_than_the_folds_is_an_error_that_names_it() -> None:
    """Each fold needs one of each class to validate on."""
    labels = np.repeat([0, 1], [50, 5])
    with pytest.raises(DataError, match=r"class mosaic has 4 images.*too few for 5 folds.*--folds"):
        fold_indices(labels, split_indices(labels, 0), 5, 0, classes=["healthy", "mosaic"])


def test_one_fold_is_an_error() -> None:
    """Validation needs a second one to train on."""
    part = np.arange(4)
    with pytest.raises(DataError, match="--folds 2"):
        fold_indices(np.array([0, 1, 0, 1]), Split(part, part[:0], part[:0]), 1, 0)


@pytest.mark.parametrize(("count", "per_class"), [(30, [10, 10, 10]), (3, [2, 2, 2]), (9**9, None)])
def test_some_images_are_spread_over_the_classes(count: int, per_class: list[int] | None) -> None:
    """As many of each class, two at least, all where there are not so many; sorted."""
    labels = _labels(40, 12, 100)
    given = np.flatnonzero(np.arange(len(labels)) % 10 != 0)
    chosen = spread_over_classes(labels, given, count)

    assert set(chosen.tolist()) <= set(given.tolist())
    assert (np.diff(chosen) > 0).all()
    expected = np.bincount(labels[given]).tolist() if per_class is None else per_class
    assert np.bincount(labels[chosen]).tolist() == expected
