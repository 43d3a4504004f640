"""What each job learns from, is judged by and is measured on."""

from pathlib import Path

import numpy as np

from holdfast.config import resolve
from holdfast.pipeline.material import Material, open_source, prepare_material
from holdfast.rundir import JobName


def material(data: Path, directory: Path) -> Material:
    config = resolve(
        {"data": str(data), "checkpoint_dir": str(directory), "image_size": 32, "folds": 3}
    )
    return prepare_material(config, open_source(config), lambda *_: None, lambda: None)


def test_full_split_is_80_10_10_and_disjoint(digits_folder: Path, tmp_path: Path) -> None:
    """The full split's parts share no image and hold every one of the 120."""
    sets = material(digits_folder, tmp_path).sets(JobName("CustomRegNet"))
    parts = [sets.train.indices, sets.val.indices, sets.test.indices]

    assert [len(part) for part in parts] == [96, 12, 12]
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(120))


def test_folds_never_touch_the_test_split(digits_folder: Path, tmp_path: Path) -> None:
    """Each image of train+val is held out in exactly one fold; the test images in none."""
    made = material(digits_folder, tmp_path)
    test = set(made.split.test.tolist())
    folds = [made.sets(JobName("CustomRegNet", fold)) for fold in (1, 2, 3)]

    held_out = np.sort(np.concatenate([fold.test.indices for fold in folds]))
    assert np.array_equal(held_out, np.setdiff1d(np.arange(120), made.split.test))
    for fold in folds:
        assert not test & set(fold.train.indices.tolist())
        assert not set(fold.train.indices.tolist()) & set(fold.val.indices.tolist())


def test_few_steps_take_few_images_of_every_class(digits_folder: Path, tmp_path: Path) -> None:
    """For `holdfast prove`: no more images than the steps need, in the parts of the whole split."""
    config = resolve({"data": str(digits_folder), "image_size": 32, "batch_size": 8})
    config = config.model_copy(update={"folds": 0, "checkpoint_dir": str(tmp_path / "few")})
    few = prepare_material(config, open_source(config, 3), lambda *_: None, lambda: None)
    whole = material(digits_folder, tmp_path / "whole")

    assert [len(part) for part in few.split] == [24, 8, 8]
    for part, of in zip(few.split, whole.split, strict=True):
        assert {few.cache.names[i] for i in part} <= {whole.cache.names[i] for i in of}
        assert np.bincount(few.cache.labels[part]).min() >= 2
    assert few.classes == whole.classes
    pixels = [
        few.cache.gather([0]),
        whole.cache.gather([whole.cache.names.index(few.cache.names[0])]),
    ]
    assert np.array_equal(*pixels)


def test_second_preparation_gives_the_same_split(digits_folder: Path, tmp_path: Path) -> None:
    """The split is a function of the data and the seed, not of when it is drawn."""
    first, second = (material(digits_folder, tmp_path / name) for name in ("a", "b"))

    for one, other in zip(first.split, second.split, strict=True):
        assert np.array_equal(one, other)
    assert first.cache.fingerprint == second.cache.fingerprint
