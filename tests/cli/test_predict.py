"""``holdfast predict``: what is on stdout is for a pipe, the rest is on stderr."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from typer.testing import CliRunner

import holdfast
from holdfast.cli.app import app
from tests.trained_run import FIRST, SECOND


def predict(run: Path, *arguments: str | Path) -> Result:
    command = ["predict", "--checkpoint-dir", str(run), *map(str, arguments)]
    return CliRunner().invoke(app, command, catch_exceptions=False)


@pytest.fixture
def mixed(digits_folder: Path, tmp_path: Path) -> Path:
    """Three good files and a broken one, in folders."""
    for name in ("one/01.png", "two/02.png", "zero/03.png"):
        target = tmp_path / "mixed" / name
        target.parent.mkdir(parents=True)
        target.write_bytes((digits_folder / name).read_bytes())
    (tmp_path / "mixed" / "one" / "cut.png").write_bytes(target.read_bytes()[:50])
    return tmp_path / "mixed"


def test_table_names_each_file_and_its_class(trained_run: Path, mixed: Path) -> None:
    """One line for each image that can be read, in the order of names; the other is on stderr."""
    shown = predict(trained_run, mixed)
    assert shown.exit_code == 1
    head, *lines = shown.stdout.splitlines()
    assert head.split() == ["File", "Class", "Runner-up"]
    assert [Path(line.split()[0]).name for line in lines] == ["01.png", "02.png", "03.png"]
    (told,) = shown.stderr.splitlines()
    assert told.startswith(f"! {mixed / 'one' / 'cut.png'}: ")


@pytest.mark.parametrize("backbone", [SECOND, "best", "ensemble"])
def test_json_has_the_probability_of_every_class(
    trained_run: Path, mixed: Path, backbone: str
) -> None:
    """It is JSON although a file was bad, with the very numbers of the library."""
    shown = predict(trained_run, mixed, "--json", "--backbone", backbone)
    said = json.loads(shown.stdout)
    expected = list(holdfast.load(trained_run, backbone).classify([mixed], on_bad=lambda *_: None))
    assert [one["file"] for one in said] == [str(guess.path) for guess in expected]
    for one, guess in zip(said, expected, strict=True):
        assert list(one["probabilities"].values()) == guess.probabilities.tolist()
        assert (one["class"], one["probability"]) == guess.ranking[0]
        assert np.isclose(sum(one["probabilities"].values()), 1.0)


def test_csv_has_the_same(trained_run: Path, mixed: Path) -> None:
    """A heading, and a row for each image."""
    shown = predict(trained_run, mixed, "--csv", "--backbone", FIRST, "--batch-size", "1")
    rows = list(csv.DictReader(shown.stdout.splitlines()))
    assert list(rows[0]) == ["file", "class", "probability", "p_one", "p_two", "p_zero"]
    assert [row["class"] for row in rows] == [
        max(("one", "two", "zero"), key=lambda name, row=row: float(row[f"p_{name}"]))
        for row in rows
    ]


def test_good_files_end_well(trained_run: Path, digits_folder: Path) -> None:
    """Exit code 0, and nothing on stderr."""
    shown = predict(trained_run, digits_folder / "two" / "05.png")
    assert (shown.exit_code, shown.stderr) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "line", "code"),
    [
        (["--backbone", "CustomMobilOne", "x.png"], "did you mean CustomMobileOne", 2),
        (["--backbone", "CustomRegNet", "x.png"], "CustomRegNet is not part of this run", 2),
        (["--json", "--csv", "x.png"], "--json and --csv: choose one of them", 2),
        (["--device", "cuda:7", "x.png"], "device: cuda:7 asked for", 2),
    ],
)
def test_mistakes_are_one_line(
    trained_run: Path, arguments: list[str], line: str, code: int
) -> None:
    """What was asked for and is not there, with what to do instead; stdout stays empty."""
    shown = predict(trained_run, *arguments)
    assert (shown.exit_code, shown.stdout) == (code, "")
    assert line in " ".join(shown.stderr.split())


def test_folder_without_images_is_told(trained_run: Path, tmp_path: Path) -> None:
    """Nothing to predict is a mistake, not an empty table."""
    shown = predict(trained_run, tmp_path)
    assert (shown.exit_code, shown.stdout) == (2, "")
    assert shown.stderr == f"holdfast: {tmp_path}: no image there\n"


@pytest.mark.parametrize(("form", "said"), [([], ""), (["--json"], "[]"), (["--csv"], "file,")])
def test_no_readable_image_is_no_table(trained_run: Path, form: list[str], said: str) -> None:
    """The line on stderr says it all; JSON and CSV are whole all the same."""
    shown = predict(trained_run, "nofile.jpg", *form)
    assert shown.exit_code == 1
    assert (
        shown.stderr == "! nofile.jpg: there is no such file, or it is a link that points nowhere\n"
    )
    assert "".join(shown.stdout.split())[: len(said) or None] == said


def test_names_cannot_move_the_terminal(
    trained_run: Path, digits_folder: Path, tmp_path: Path
) -> None:
    """A file's name with control characters is spelt out, so that a row stays a row."""
    odd = tmp_path / "a\x1b[2J\nb.png"
    odd.write_bytes((digits_folder / "one" / "01.png").read_bytes())
    shown = predict(trained_run, odd)
    assert len(shown.stdout.splitlines()) == 2
    assert "a\\x1b[2J\\nb.png" in shown.stdout
