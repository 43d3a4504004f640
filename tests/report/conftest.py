"""Runs to report on: a finished one that was trained, and a half-finished one of odd names."""

from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from holdfast.checkpoint import Ledger
from holdfast.cli.app import app
from holdfast.rundir import JobName, Position

DONE, BEGUN, BROKEN, LATER = "CustomRegNet", "my-net", "CustomMaxViT", "CustomCoAtNet"
SCRIPT = "<script>alert('x')</script>"
CLASSES = [SCRIPT, '" onload="alert(1)', "$x_1^2$ & \\frac{a}{b} 100%", "a\x00b\x1b[31m\nc\u202ed"]
MATRIX = [[7, 1, 0, 0], [0, 9, 0, 1], [2, 0, 5, 0], [0, 0, 0, 0]]
RESULT = {
    "final_accuracy": 0.84,
    "f1": 0.625,
    "loss": float("nan"),
    "roc_auc": 0.9375,
    "confusion_matrix": MATRIX,
}


@pytest.fixture(scope="session")
def half_way(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One backbone complete and marked, with one fold of three; one begun, one failed, one not.

    Its names are markup, attributes, formulas and controls. Nobody changes it.
    """
    directory = tmp_path_factory.mktemp("half-way") / "checkpoints"
    directory.mkdir()
    ledger = Ledger(directory)
    run = {
        "stages": {"head": 1, "finetune": 3},
        "classes": CLASSES,
        "data": {"images": 250, "digest": SCRIPT},
        "machine": {"device": "cpu", "threads": 1, SCRIPT: SCRIPT},
        "config": {"size": "tiny", "image_size": 32, "note": ["|a|", "\\b"]},
    }
    ledger.plan(run, [DONE, BEGUN, BROKEN, LATER], {DONE: 3})
    for job, scores in ((JobName(DONE), RESULT), (JobName(DONE, 1), {"final_accuracy": 0.75})):
        ledger.entered(job, None)
        ledger.epochs_ended(job, [_row("head", 1), _row("finetune", 1), _row("finetune", 2)])
        if job.fold is None:
            ledger.entered(job, Position("finetune", 2), 60.0, 5.0)
        ledger.completed(job, scores, 90.0, weights=False)
    changed = {**RESULT, "changed_in_training": [f"seed was 42, now {SCRIPT}"]}
    ledger.completed(JobName(DONE), changed, 90.0, weights=False)
    ledger.entered(JobName(BEGUN), None)
    ledger.epochs_ended(JobName(BEGUN), [{"stage": "head", "epoch": 1, "_perplexity\x1b": 7.5}])
    ledger.failed(JobName(BROKEN), f"ValueError: {SCRIPT}\n\t\udc80")
    ledger.close()
    return directory


def _row(stage: str, epoch: int) -> dict[str, object]:
    scores = {"train_loss": 1.5 / epoch, "val_loss": 2.0 / epoch, "val_acc": 0.25 * epoch}
    return {"stage": stage, "epoch": epoch, **scores, "learning_rate": 1e-3}


def report(directory: Path, out: Path, *options: str) -> Result:
    """Run ``holdfast report``."""
    where = ["--checkpoint-dir", str(directory), "--out", str(out)]
    return CliRunner().invoke(app, ["report", *where, *options])


@dataclass(frozen=True)
class Reported:
    """A run, its report, and what the command said."""

    run: Path
    out: Path
    told: Result


@pytest.fixture(scope="session")
def finished(trained_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Reported:
    """The report of the trained run, with predictions; nobody changes it."""
    out = tmp_path_factory.mktemp("reports") / "report"
    told = report(trained_run, out)
    assert told.exit_code == 0, told.output
    return Reported(trained_run, out, told)


@pytest.fixture(scope="session")
def halfway(half_way: Path, tmp_path_factory: pytest.TempPathFactory) -> Reported:
    """The report of the half-finished run; nobody changes it."""
    out = tmp_path_factory.mktemp("reports") / "report"
    told = report(half_way, out)
    assert told.exit_code == 0, told.output
    return Reported(half_way, out, told)


class Page(HTMLParser):
    """A page taken apart: its elements with their attributes, and its text."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element without children."""
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        """Check that what ends is what was opened last."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Note text."""
        if "style" not in self.open[-1:]:
            self.texts.append(data)

    @property
    def text(self) -> str:
        """All that a reader reads."""
        return " ".join(self.texts)

    def attributes(self) -> Iterator[tuple[str, str]]:
        """Yield every attribute of every element, but for the names of XML's languages."""
        for _, attributes in self.elements:
            for name, value in attributes.items():
                if not name.startswith("xmlns"):
                    yield name, value or ""
