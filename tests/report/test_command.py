"""``holdfast report`` as a person meets it: what it makes of runs, and what it says it left out."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from holdfast.checkpoint import Ledger
from holdfast.cli.app import app
from holdfast.inference import choose_weights, open_trained, soft_vote
from holdfast.rundir import JobName
from holdfast.status import read_status
from tests.report.conftest import BEGUN, BROKEN, DONE, LATER, Page, Reported, report
from tests.trained_run import FIRST, SECOND, copy_of

WITHOUT = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Refuse())
from holdfast.__main__ import main
main()
"""


def report_without(*names: str, arguments: list[str]) -> subprocess.CompletedProcess[str]:
    """Run the command where some packages are not installed."""
    code = WITHOUT.format(names=set(names))
    command = [sys.executable, "-c", code, "report", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def in_json(out: Path) -> dict[str, object]:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    text = (out / "results.json").read_text(encoding="utf-8")
    return dict(json.loads(text, parse_constant=refuse))


def in_csv(out: Path) -> dict[str, dict[str, str]]:
    with (out / "results.csv").open(encoding="utf-8", newline="") as file:
        return {row["backbone"]: row for row in csv.DictReader(file)}


def test_a_finished_run_is_reported_whole(finished: Reported) -> None:
    """One line says where it is; every kind of figure and of table is there, and can be opened."""
    lines = finished.told.output.splitlines()
    figures = sorted(path.name for path in (finished.out / "figures").iterdir())

    assert lines == [
        f"✓ {finished.out}/report.html: 2 of 2 backbones complete, {len(figures) // 2} figures"
    ]
    jobs = [FIRST, SECOND, f"{FIRST}_fold1", f"{FIRST}_fold2"]
    names = [
        *("comparison", "costs", "folds", "roc", "confusion_ensemble", "roc_ensemble"),
        *(f"{kind}_{job}" for job in jobs for kind in ("curves", "confusion")),
        *(f"roc_{job}" for job in (FIRST, SECOND)),
    ]
    assert figures == sorted(f"{name}.{kind}" for name in names for kind in ("png", "svg"))
    for path in (finished.out / "figures").glob("*.png"):
        with Image.open(path) as image:
            image.load()
    assert "not finished" not in Page(finished.out / "report.html").text


def test_numbers_are_those_of_the_results(finished: Reported) -> None:
    """CSV and JSON have every digit of each job's result, Markdown and LaTeX the rounded ones."""
    rows, whole = in_csv(finished.out), in_json(finished.out)
    markdown, latex = ((finished.out / f"results.{kind}").read_text() for kind in ("md", "tex"))
    status = read_status(finished.run)

    assert [job["result"] for job in whole["jobs"]] == [job.result for job in status.jobs]
    for job in [job for job in status.jobs if job.fold is None]:
        row = rows[job.backbone]
        for name in ("accuracy", "precision", "recall", "f1", "roc_auc", "loss"):
            assert float(row[name]) == job.result[name]
        assert float(row["seconds"]) == job.seconds
        assert f"{job.result['accuracy']:.4f}" in cells(markdown, job.backbone)
        assert f"{job.result['f1']:.4f}" in cells(latex, job.backbone)
    folds = [job.result["accuracy"] for job in status.jobs if job.fold is not None]
    assert float(rows[FIRST]["fold_mean"]) == pytest.approx(sum(folds) / 2)
    assert float(rows[FIRST]["fold_std"]) == pytest.approx(abs(folds[0] - folds[1]) / 2**0.5)


def cells(table: str, backbone: str) -> list[str]:
    """Return the cells of a backbone's row, of Markdown or LaTeX, bold or not."""
    (line,) = (line for line in table.splitlines() if line.lstrip("| ").startswith(backbone))
    for mark in ("**", r"\textbf{", "}", "\\\\"):
        line = line.replace(mark, "")
    return [cell.strip() for cell in line.replace("&", "|").split("|")]


def test_the_ensemble_is_chosen_on_validation_and_measured_on_test(finished: Reported) -> None:
    """Its weights are those that the validation split gives, its row what they give on test."""
    with open_trained(finished.run) as run:
        parts = {
            part: {str(job): run.predictions(job, part) for job in run.complete}
            for part in ("val", "test")
        }
    weights = choose_weights(parts["val"])
    vote = soft_vote(parts["test"], weights)

    told = in_json(finished.out)["ensemble"]
    assert told["weights"] == weights
    assert told["accuracy"] == (vote.predicted == vote.labels).mean()
    row = in_csv(finished.out)["Ensemble (soft vote)"]
    assert float(row["accuracy"]) == told["accuracy"]
    assert float(row["loss"]) == vote.loss


def test_the_same_run_gives_the_same_bytes(finished: Reported, tmp_path: Path) -> None:
    """No date, no number drawn by chance, no order of a set: a report can be compared by diff."""
    assert report(finished.run, tmp_path / "again").exit_code == 0

    assert contents(tmp_path / "again") == contents(finished.out)


def contents(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_a_report_changes_nothing_of_the_run(half_way: Path, tmp_path: Path) -> None:
    """Not one byte, and no lock is taken or left."""
    before = contents(half_way)

    assert report(half_way, tmp_path / "out", "--no-predictions").exit_code == 0

    assert contents(half_way) == before


def test_a_half_finished_run_says_so(halfway: Reported) -> None:
    """What is known is shown; what failed, was interrupted or changed in training is named."""
    page = Page(halfway.out / "report.html").text

    assert "1 of 4 backbones complete, not finished" in halfway.told.output
    assert (
        "This series is not finished: 1 of 4 backbones and 1 of 3 folds are complete"
        in " ".join(page.split())
    )
    assert "Failed: ValueError: <script>" in " ".join(page.split())
    assert f"{DONE}*" in page
    assert "seed was 42, now <script>" in page
    assert "finetune epoch 2" in page
    rows = in_csv(halfway.out)
    states = {name: row["state"] for name, row in rows.items()}
    assert states == {DONE: "complete", BEGUN: "pending", BROKEN: "failed", LATER: "pending"}
    assert (rows[DONE]["loss"], rows[DONE]["changed_in_training"]) == ("", "true")
    assert (rows[DONE]["folds_complete"], rows[DONE]["folds"]) == ("1", "3")


def test_what_is_left_out_is_told_with_its_reason(halfway: Reported) -> None:
    """On the terminal, on the page and in JSON: no weights, and a backbone that is nobody's."""
    page = Page(halfway.out / "report.html").text

    reasons = in_json(halfway.out)["left_out"]
    assert len(reasons) == 2
    assert reasons[0].startswith("ROC curves and the ensemble")
    assert reasons[1] == f"parameters of {BEGUN}: no backbone of Holdfast's"
    for reason in reasons:
        assert f"! left out: {reason}" in halfway.told.output
        assert reason in page


def test_a_run_of_many_jobs_shows_the_first_one_by_one(tmp_path: Path) -> None:
    """All are in the tables; nobody waits for thousands of figures, and that is said."""
    ledger = Ledger(tmp_path / "run")
    ledger.plan({"stages": {"head": 1}}, [f"net{number}" for number in range(250)], {})
    ledger.completed(JobName("net0"), {"final_accuracy": 0.5}, 1.0, weights=False)
    ledger.close()
    told = report(tmp_path / "run", tmp_path / "out", "--no-predictions")
    page = Page(tmp_path / "out" / "report.html")

    assert "figures of 50 of 250 jobs: the first 200 have theirs" in told.output
    assert len(in_csv(tmp_path / "out")) == 250
    ids = [value for name, value in page.attributes() if name == "id"]
    assert sum(value.startswith("backbone-") for value in ids) == 200


def test_damaged_weights_leave_out_one_backbone(finished: Reported, tmp_path: Path) -> None:
    """One bad file is named; the other backbone still has its curves, and the report is made."""
    run = copy_of(finished.run, tmp_path / "run")
    (run / f"{SECOND}_best.pth").unlink()
    told = report(run, tmp_path / "out")

    assert told.exit_code == 0
    assert f"without {SECOND}: " in told.output
    names = {path.name for path in (tmp_path / "out" / "figures").iterdir()}
    assert f"roc_{FIRST}.svg" in names
    assert f"roc_{SECOND}.svg" not in names
    assert "ensemble" not in {name.partition("_")[2].partition(".")[0] for name in names}


def test_a_report_is_made_without_torch(half_way: Path, tmp_path: Path) -> None:
    """Where torch is not installed, all that needs none is there, and the rest is named."""
    arguments = ["--checkpoint-dir", str(half_way), "--out", str(tmp_path / "out")]
    child = report_without("torch", "sklearn", "kornia", arguments=arguments)

    assert child.returncode == 0, child.stderr
    assert "ROC curves and the ensemble: torch is not installed here" in child.stderr
    assert "parameters: torch is not installed here" in child.stderr
    assert (tmp_path / "out" / "figures" / f"confusion_{DONE}.svg").exists()


def test_no_matplotlib_is_one_line(half_way: Path, tmp_path: Path) -> None:
    """It names the extra to install, exit code 2, and nothing is written."""
    arguments = ["--checkpoint-dir", str(half_way), "--out", str(tmp_path / "out")]
    child = report_without("matplotlib", arguments=arguments)

    message = "holdfast: holdfast report needs matplotlib: pip install 'holdfast[report]'\n"
    assert (child.returncode, child.stderr) == (2, message)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--checkpoint-dir", "none"], "none: no such directory; `holdfast train` makes it"),
        (["--checkpoint-dir", "."], ".: no run is recorded here; `holdfast train` begins one"),
        (["--out", "s3://bucket/out"], "--out s3://bucket/out: name a folder of this machine"),
    ],
)
def test_bad_usage_is_one_line(
    options: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 2, and no folder is made."""
    monkeypatch.chdir(tmp_path)
    told = CliRunner().invoke(app, ["report", *options])

    assert (told.exit_code, told.output) == (2, f"holdfast: {message}\n")
    assert list(tmp_path.iterdir()) == []
