"""Models of a run on object storage, used from the machine that trained it and from another."""

from pathlib import Path

import pytest

from holdfast.config import resolve
from holdfast.inference import open_trained
from holdfast.pipeline import Display, run_series
from holdfast.rundir import JobName, Started
from holdfast.training import StopRequest, result_metrics

NAME = "CustomResNetMish"


def test_models_are_used_from_anywhere(
    url: str, digits_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The weights come from the store, verified; the numbers are those that were recorded."""
    asked = {"data": str(digits_folder), "preset": "demo", "folds": 0, "threads": 1}
    epochs = {"epochs_head": 1, "epochs_finetune": 1, "batch_size": 8}
    config = resolve({**asked, **epochs, "backbones": NAME, "checkpoint_dir": url})
    started = Started(["--data", str(digits_folder)], "/", url)
    assert run_series(config, Display(), StopRequest(), started) == 0

    for scratch in (None, tmp_path / "another machine's"):
        if scratch is not None:
            monkeypatch.setenv("HOLDFAST_SCRATCH", str(scratch))
        with open_trained(url) as run:
            found = run.predictions(JobName(NAME), "test")
            again = result_metrics(found, run.classes)
            result = run.state.results[JobName(NAME)]
            assert run.validation_accuracy(JobName(NAME)) is not None
        assert again == {key: result[key] for key in again}
