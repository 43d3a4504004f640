"""Image files, told as in training: what cannot be read is left out, and never all at once."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import holdfast
from holdfast.data import BadImage
from holdfast.errors import DataError
from holdfast.inference import (
    ENSEMBLE,
    choose,
    choose_weights,
    decoded,
    find_images,
    open_labelled,
    open_trained,
)
from holdfast.rundir import JobName
from tests.trained_run import FIRST, SECOND, copy_of


def test_files_say_what_the_evaluation_said(trained_run: Path, digits_folder: Path) -> None:
    """The files of the test split, in its order: each probability as in the run's evaluation."""
    with open_trained(trained_run) as run:
        images = run.images(JobName(FIRST), "test")
        expected = run.predictions(JobName(FIRST), "test").probabilities
        names = [images.cache.names[index] for index in images.indices]
    guesses = holdfast.load(trained_run, FIRST).classify([digits_folder / name for name in names])
    assert np.array_equal(np.stack([guess.probabilities for guess in guesses]), expected)


def test_bad_files_are_told_and_batches_filled_with_good_ones(
    trained_run: Path, digits_folder: Path, tmp_path: Path
) -> None:
    """Broken, empty and absent files are named with the reason; the others' bits are the same."""
    good = sorted(digits_folder.glob("one/*.png"))[:20]
    cut, empty = tmp_path / "cut.png", tmp_path / "empty.png"
    cut.write_bytes(good[0].read_bytes()[:60])
    empty.touch()
    classifier = holdfast.load(trained_run, SECOND)
    expected = [guess.probabilities for guess in classifier.classify(good)]
    bad: dict[Path, str] = {}
    mixed = [cut, *good[:5], empty, *good[5:], tmp_path / "none.png"]
    found = list(classifier.classify(mixed, on_bad=bad.__setitem__))
    assert [guess.path for guess in found] == good
    assert np.array_equal([guess.probabilities for guess in found], expected)
    assert set(bad) == {cut, empty, tmp_path / "none.png"}
    assert bad[empty] == "the file is empty"
    with pytest.raises(DataError, match="empty"):
        list(classifier.classify([empty]))


def test_odd_files_are_decoded_as_in_training(trained_run: Path) -> None:
    """Real oddities: what training would convert is predicted, what it would refuse is told."""
    odd = Path(__file__).parents[2].parent / "shared" / "odd_images"
    if not odd.is_dir():
        pytest.skip(f"{odd} is not there")
    bad: dict[Path, str] = {}
    found = list(holdfast.load(trained_run, FIRST).classify([odd], on_bad=bad.__setitem__))
    assert sorted(path.name for path in bad) == ["07_truncated_jpeg.jpg", "09_truncated_png.png"]
    assert [guess.path.name[:2] for guess in found] == ["06", "08", "10"]


def test_directories_are_gone_through_by_name(tmp_path: Path) -> None:
    """Folders below folders, in one order everywhere; what is no image is passed over."""
    for name in ("b/2.png", "b/10.png", "a/x/1.PNG", ".hidden/1.png", "b/notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = find_images([tmp_path / "b" / "2.png", tmp_path])
    names = [path.relative_to(tmp_path).as_posix() for path in found]
    assert names == ["b/2.png", "a/x/1.PNG", "b/10.png", "b/2.png"]


def test_never_all_images_at_once() -> None:
    """However many files there are, two batches are decoded ahead, no more."""
    begun = 0

    def read(number: int) -> Image.Image:
        nonlocal begun
        begun += 1
        if number == 1:
            raise BadImage("broken")
        return Image.new("RGB", (8, 8))

    bad: list[tuple[int, str]] = []
    batches = decoded(range(1000), read, 4, 5, lambda *told: bad.append(told))
    numbers, images = next(batches)
    assert begun <= 5 + 1 + 2 * 5
    assert (numbers, tuple(images.shape)) == ([0, 2, 3, 4, 5], (5, 4, 4, 3))
    assert bad == [(1, "broken")]
    batches.close()


def test_ensemble_is_weighed_on_the_validation_split_alone(trained_run: Path) -> None:
    """Its weights are those of the validation predictions; the test split is not looked at."""
    with open_trained(trained_run) as run:
        validation = {str(job): run.predictions(job, "val") for job in run.complete}
        vote = choose(run, ENSEMBLE)
        assert vote.weights == choose_weights(validation)
        asked = []
        original = type(run).images

        def watched(self: object, job: JobName, part: str) -> object:
            asked.append(part)
            return original(run, job, part)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(run), "images", watched)
            choose(run, ENSEMBLE)
    assert set(asked) == {"val"}


def test_ensemble_without_images_weighs_all_alike(trained_run: Path, tmp_path: Path) -> None:
    """Where nobody knows where the images are, that is told, and the vote is uniform."""
    moved = copy_of(trained_run, tmp_path / "run")
    for path in sorted(moved.glob("image_cache/*/*")):
        path.unlink()
    journal = moved / "journal.jsonl"
    lines = [line for line in journal.read_text().splitlines() if '"started"' not in line]
    journal.write_text("".join(f"{line}\n" for line in lines))
    told: list[str] = []
    with open_trained(moved) as run:
        vote = choose(run, ENSEMBLE, on_notice=told.append)
    assert vote.weights == {FIRST: 0.5, SECOND: 0.5}
    assert "name the folder: --data DIR" in told[0]


def test_classes_are_matched_by_name(
    trained_run: Path, digits_folder: Path, tmp_path: Path
) -> None:
    """A folder may lack classes and have its own order; what the run does not know is refused."""
    (tmp_path / "some").mkdir()
    (tmp_path / "some" / "two").symlink_to(digits_folder / "two")
    with open_trained(trained_run) as run:
        labelled = open_labelled(str(tmp_path / "some"), run.classes)
        assert (set(labelled.labels), labelled.missing) == ({1}, ["one", "zero"])
        (tmp_path / "some" / "three").symlink_to(digits_folder / "one")
        with pytest.raises(DataError, match=r"the run has no class three; it has one, two, zero"):
            open_labelled(str(tmp_path / "some"), run.classes)


def test_a_folder_is_measured_as_the_run_measures(trained_run: Path, digits_folder: Path) -> None:
    """All the images of a folder: the same as train, val and test put together."""
    with open_trained(trained_run) as run:
        classifier = choose(run, FIRST)
        labelled = open_labelled(str(digits_folder), run.classes)
        found = classifier.measure(labelled.batches(classifier, lambda *_: None))
        images = run.images(JobName(FIRST), "test")
        one_by_one = classifier.members[FIRST].predictions(
            type(images)(images.cache, np.arange(len(images.cache)))
        )
    assert np.array_equal(found.probabilities, one_by_one.probabilities)
    assert found.loss == one_by_one.loss
    assert torch.equal(torch.from_numpy(found.labels), torch.from_numpy(images.cache.labels))
