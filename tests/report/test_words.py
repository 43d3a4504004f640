"""What a report says in words of runs that are small, begun, killed, or at their end."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from holdfast.checkpoint import Ledger
from holdfast.report import Facts, gather, write_report
from holdfast.report.comparison import ENSEMBLE, compare
from holdfast.report.facts import Ensemble
from holdfast.rundir import JobName, Position
from tests.report.conftest import Page, report

ONE, TWO = "CustomRegNet", "CustomMaxViT"
RESULT = {"final_accuracy": 0.5, "confusion_matrix": [[0, 1], [0, 1]]}
EPOCH = {"stage": "head", "epoch": 1, "train_loss": 1.5, "val_loss": 2.0}


def run_of(directory: Path, *complete: JobName, folds: int = 0, backbones: str = ONE) -> Path:
    """Record a run of which some jobs are complete."""
    ledger = Ledger(directory)
    names = backbones.split()
    plan = {"stages": {"head": 1}, "classes": ["a", "b"]}
    ledger.plan(plan, names, {names[0]: folds} if folds else {})
    for job in complete:
        ledger.entered(job, None)
        ledger.epochs_ended(job, [EPOCH])
        ledger.completed(job, RESULT, 90.0, weights=False)
    ledger.close()
    return directory


def page_of(run: Path, out: Path) -> str:
    """Return all that the report's page says, figures included, on one line."""
    write_report(gather(run), out)
    page = Page(out / "report.html")
    labels = [value for name, value in page.attributes() if name == "aria-label"]
    return " ".join(" ".join([page.text, *labels]).split())


def test_one_is_said_as_one(tmp_path: Path) -> None:
    """One model, fold, epoch, image, backbone: no plural, and no span from a number to itself."""
    text = page_of(
        run_of(tmp_path / "run", JobName(ONE), JobName(ONE, 1), folds=2), tmp_path / "out"
    )

    assert f"Test accuracy of {ONE}: 50.00 %." in text
    assert f"{ONE}: mean 50.00 % of 1 fold " in text
    assert "head 1 epoch " in text
    assert "1 epoch: training loss" in text
    assert "a taken for b: 1 of 1 image" in text
    for wrong in ("1 models", "1 folds", "1 epochs:", "1 images", "1 times"):
        assert f" {wrong}" not in text


def test_models_that_are_equal_have_no_span(tmp_path: Path) -> None:
    """The summary names one of the best and counts the others."""
    both = run_of(tmp_path / "run", JobName(ONE), JobName(TWO), backbones=f"{ONE} {TWO}")
    text = page_of(both, tmp_path / "out")

    assert "Test accuracy of 2 models, 50.00 % each." in text
    assert f"{ONE}, and 1 more as good" in text


@pytest.mark.parametrize(
    ("complete", "folds", "standing"),
    [
        ((), 0, f"{ONE}, not complete yet"),
        ((JobName(ONE, 1),), 2, f"{ONE}, not complete yet"),
        ((JobName(ONE),), 2, f"{ONE}, trained to completion but for 2 folds"),
        ((JobName(ONE), JobName(ONE, 2)), 2, f"{ONE}, trained to completion but for 1 fold"),
        ((JobName(ONE),), 0, f"{ONE}, trained to completion"),
    ],
)
def test_first_line_says_what_is_open(
    complete: tuple[JobName, ...], folds: int, standing: str, tmp_path: Path
) -> None:
    """Where only folds are open it speaks of them, as the line below it does."""
    text = page_of(run_of(tmp_path / "run", *complete, folds=folds), tmp_path / "out")

    assert f"{standing}, as of" in text


def test_the_command_names_open_folds(tmp_path: Path) -> None:
    """All backbones complete and "not finished" would contradict each other."""
    told = report(
        run_of(tmp_path / "run", JobName(ONE), folds=2), tmp_path / "out", "--no-predictions"
    )

    assert "report.html: 1 of 1 backbone complete, 2 folds not yet, " in told.output


def test_a_run_that_is_not_complete_is_not_called_undisturbed(tmp_path: Path) -> None:
    """Right after a kill nothing is recorded of it; only a complete run was not interrupted."""
    run = tmp_path / "run"
    ledger = Ledger(run)
    ledger.plan({"stages": {"head": 2}}, [ONE], {})
    ledger.entered(JobName(ONE), None)
    ledger.epochs_ended(JobName(ONE), [EPOCH])
    ledger.close()
    killed = page_of(run, tmp_path / "killed")

    assert "undisturbed" not in killed
    assert "was not interrupted" not in killed
    assert "None that training went on from yet." in killed

    ledger = Ledger(run)
    ledger.entered(JobName(ONE), Position("head", 1), 60.0, 5.0)
    ledger.close()
    went_on = page_of(run, tmp_path / "on")

    assert "Interruptions survived 1 1 without warning" in went_on

    calm = page_of(run_of(tmp_path / "calm", JobName(ONE)), tmp_path / "whole")
    assert "Interruptions 0 undisturbed" in calm
    assert "The run was not interrupted." in calm


def with_vote(run: Path, weights: Mapping[str, float]) -> Facts:
    """Return the facts with a vote of these weights."""
    ensemble = Ensemble(weights, {"final_accuracy": 0.5})
    return replace(gather(run), ensemble=ensemble, parameters={ONE: 1000, TWO: 200})


@pytest.mark.parametrize(
    ("weights", "parameters"), [({ONE: 0.5, TWO: 0.5}, 1200), ({ONE: 0.0, TWO: 1.0}, 200)]
)
def test_the_ensemble_has_the_parameters_of_those_that_vote(
    weights: dict[str, float], parameters: int, tmp_path: Path
) -> None:
    """A backbone of weight 0 need not be run."""
    run = run_of(tmp_path / "run", JobName(ONE), JobName(TWO), backbones=f"{ONE} {TWO}")
    row = compare(with_vote(run, weights))[-1]

    assert (row.name, row.parameters) == (ENSEMBLE, parameters)
