"""``holdfast evaluate``: the run's own test split as recorded, and any labelled folder."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from holdfast.cli.app import app
from holdfast.rundir import JobName, load_state
from tests.trained_run import FIRST, SECOND, copy_of


def evaluate(run: Path, *arguments: str | Path) -> Result:
    command = ["evaluate", "--checkpoint-dir", str(run), *map(str, arguments)]
    return CliRunner().invoke(app, command, catch_exceptions=False)


@pytest.mark.parametrize("name", [FIRST, SECOND, f"{FIRST}_fold2"])
def test_test_split_gives_the_recorded_numbers(trained_run: Path, name: str) -> None:
    """Every number of the result, compared with ==."""
    shown = evaluate(trained_run, "--json", "--backbone", name)
    result = load_state(trained_run).results[JobName.parse(name)]
    said = json.loads(shown.stdout)
    for key in ("accuracy", "precision", "recall", "f1", "loss", "roc_auc", "confusion_matrix"):
        assert said[key] == result[key]
    assert said["recorded_accuracy"] == result["accuracy"]
    assert (shown.exit_code, shown.stderr) == (0, "")


def test_text_says_that_it_is_as_recorded(trained_run: Path) -> None:
    """Scores, a row for each class, and the matrix, in 80 columns."""
    shown = evaluate(trained_run, "--backbone", FIRST).stdout
    assert "as recorded" in shown
    assert max(map(len, shown.splitlines())) <= 80
    assert [line.split()[0] for line in shown.splitlines() if line.startswith(("one", "zero"))]
    assert "Confusion: a row for each true class" in shown


def test_ensemble_is_measured_with_its_weights(trained_run: Path) -> None:
    """The vote's weights are told beside its scores."""
    said = json.loads(evaluate(trained_run, "--json", "--backbone", "ensemble").stdout)
    assert said["weights"].keys() == {FIRST, SECOND}
    assert sum(said["weights"].values()) == pytest.approx(1.0)
    assert said["recorded_accuracy"] is None


def test_folder_that_lacks_a_class_is_measured(
    trained_run: Path, digits_folder: Path, tmp_path: Path
) -> None:
    """What is missing, or cannot be read, is told; the rest counts."""
    shutil.copytree(digits_folder / "one", tmp_path / "one")
    shutil.copytree(digits_folder / "two", tmp_path / "two")
    (tmp_path / "two" / "00.png").write_bytes(b"broken")
    shown = evaluate(trained_run, "--json", "--data", tmp_path)
    said = json.loads(shown.stdout)
    assert (said["images"], said["roc_auc"]) == (79, None)
    assert sum(map(sum, said["confusion_matrix"])) == 79
    assert "there is no image of zero" in shown.stderr
    assert "two/00.png" in shown.stderr
    assert shown.exit_code == 1


def test_classes_that_the_run_does_not_know_are_refused(
    trained_run: Path, digits_folder: Path, tmp_path: Path
) -> None:
    """One line with both sides' names, exit code 2."""
    shutil.copytree(digits_folder / "one", tmp_path / "eleven")
    shown = evaluate(trained_run, "--data", tmp_path)
    assert (shown.exit_code, shown.stdout) == (2, "")
    assert "the run has no class eleven; it has one, two, zero" in " ".join(shown.stderr.split())


def test_damaged_weights_are_one_line(trained_run: Path, tmp_path: Path) -> None:
    """Exit code 3; the file, what is wrong with it, and what makes it again."""
    run = copy_of(trained_run, tmp_path / "run")
    path = run / f"{SECOND}_best.pth"
    path.write_bytes(path.read_bytes()[:-50])
    shown = evaluate(run, "--backbone", SECOND)
    assert shown.exit_code == 3
    assert "makes these weights again" in " ".join(shown.stderr.split())
    assert "Traceback" not in shown.stderr
