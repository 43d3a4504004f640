"""Trained models, loaded from a run: the same bits as in training, and clear refusals."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import holdfast
from holdfast.errors import (
    DamagedCheckpointError,
    DataError,
    UnknownBackboneError,
    UsageError,
)
from holdfast.inference import open_trained
from holdfast.rundir import JobName, load_state, save_state
from holdfast.training import result_metrics
from tests.trained_run import FIRST, LATER, SECOND, copy_of


def listing(directory: Path) -> dict[str, tuple[int, int]]:
    files = [path for path in directory.rglob("*") if path.is_file()]
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in files}


def test_loaded_models_measure_as_the_run_recorded(trained_run: Path) -> None:
    """Every number of every result comes out again, folds included, compared with ==."""
    results = load_state(trained_run).results
    assert len(results) == 4
    with open_trained(trained_run) as run:
        for job, result in results.items():
            again = result_metrics(run.predictions(job, "test"), run.classes)
            assert again == {name: result[name] for name in again}


def test_best_is_chosen_by_the_validation_accuracy_of_the_kept_weights(trained_run: Path) -> None:
    """What the history says of the best epoch is what the weights give; the test has no say."""
    with open_trained(trained_run) as run:
        accuracies = {job: run.validation_accuracy(job) for job in run.complete}
        for job, accuracy in accuracies.items():
            measured = run.predictions(job, "val")
            assert (measured.predicted == measured.labels).mean() == accuracy
        assert run.best() == max(accuracies, key=accuracies.__getitem__)


def test_using_a_run_changes_nothing_in_it(trained_run: Path) -> None:
    """No lock, no file, no time of one: also while somebody else trains there."""
    before = listing(trained_run)
    with (
        holdfast.open(trained_run.parent / "another"),
        open_trained(trained_run) as run,
    ):
        run.predictions(run.best(), "val")
    assert listing(trained_run) == before


def test_process_is_left_as_it_was(trained_run: Path) -> None:
    """Threads, kernels and random numbers of whoever loads a model are not touched."""
    torch.manual_seed(3)
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    state = torch.get_rng_state()
    with open_trained(trained_run) as run:
        run.predictions(run.best(), "val")
    assert (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()) == before
    assert torch.equal(torch.get_rng_state(), state)


def test_images_are_decoded_anew_where_the_cache_is_gone(trained_run: Path, tmp_path: Path) -> None:
    """The folder that the run was started with does, and so does a damaged cache's run."""
    injured = copy_of(trained_run, tmp_path / "run")
    with open_trained(trained_run) as run:
        expected = run.predictions(JobName(FIRST), "test")
    for path in injured.glob("image_cache/*/images_*.npy"):
        path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    for _ in range(2):
        with open_trained(injured) as run:
            found = run.predictions(JobName(FIRST), "test")
        assert np.array_equal(found.probabilities, expected.probabilities)
        assert found.loss == expected.loss
        shutil.rmtree(injured / "image_cache", ignore_errors=True)


def test_other_images_are_refused(trained_run: Path, digits_folder: Path, tmp_path: Path) -> None:
    """A folder that has changed since is not taken for the one that was trained on."""
    changed = tmp_path / "images"
    shutil.copytree(digits_folder, changed)
    (changed / "zero" / "00.png").unlink()
    with (
        open_trained(trained_run, data=str(changed)) as run,
        pytest.raises(DataError, match="not those that the run was trained on"),
    ):
        run.images(JobName(FIRST), "test")


def test_names_that_cannot_be_loaded_are_told_apart(trained_run: Path, tmp_path: Path) -> None:
    """No such backbone, one that is not of the run, and one that is not complete yet."""
    run_dir = copy_of(trained_run, tmp_path / "run")
    state = load_state(run_dir)
    state.backbones.append(LATER)
    save_state(run_dir, state)
    with open_trained(run_dir) as run:
        with pytest.raises(UnknownBackboneError, match=f"did you mean .*{FIRST}"):
            run.model(JobName("CustomResNet"))
        with pytest.raises(UsageError, match="CustomMaxViT is not part of this run"):
            run.model(JobName("CustomMaxViT"))
        with pytest.raises(UsageError, match=rf"{LATER} is not complete yet \(pending\)"):
            run.model(JobName(LATER))


@pytest.mark.parametrize("injury", ["flipped", "cut", "gone", "swapped"])
def test_damaged_weights_are_refused(trained_run: Path, tmp_path: Path, injury: str) -> None:
    """Weights that are not what was written are never used; the line says what helps."""
    run_dir = copy_of(trained_run, tmp_path / "run")
    path, other = (run_dir / f"{name}_best.pth" for name in (FIRST, SECOND))
    if injury == "flipped":
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    elif injury == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    elif injury == "gone":
        path.unlink()
    else:
        shutil.copy(other, path)
    with (
        open_trained(run_dir) as run,
        pytest.raises(DamagedCheckpointError, match="`holdfast train` makes these weights again"),
    ):
        run.model(JobName(FIRST))


def test_directory_without_a_run_is_refused(tmp_path: Path) -> None:
    """Nothing there, nothing recorded there, or a run of somebody's own loop: one line each."""
    with pytest.raises(UsageError, match="no such directory"), open_trained(tmp_path / "none"):
        pass
    with pytest.raises(UsageError, match="no run is recorded here"), open_trained(tmp_path):
        pass
    with holdfast.open(tmp_path / "own") as run:
        assert list(run.pending(["mine"])) == ["mine"]
    with pytest.raises(UsageError, match="a loop of its own"), open_trained(tmp_path / "own"):
        pass
