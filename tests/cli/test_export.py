"""``holdfast export``: files that were run before they are called done, and no noise."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from holdfast.cli.app import app
from tests.trained_run import FIRST, SECOND


def export(run: Path, out: Path, *arguments: str) -> Result:
    command = ["export", "--checkpoint-dir", str(run), "--out", str(out), *arguments]
    return CliRunner().invoke(app, command, catch_exceptions=False)


def test_onnx_in_a_process_of_its_own_is_quiet(trained_run: Path, tmp_path: Path) -> None:
    """One line for the file, with the difference and the tolerance; nothing on stderr."""
    command = [sys.executable, "-m", "holdfast", "export", FIRST, "--out", str(tmp_path / "out")]
    child = subprocess.run(
        [*command, "--checkpoint-dir", str(trained_run)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert (child.returncode, child.stderr) == (0, "")
    (line,) = child.stdout.splitlines()
    assert line.startswith(f"✓ {tmp_path / 'out' / FIRST}.onnx: ")
    assert "run with 1, 3, 12 images at a time, at most" in line
    assert "(tolerance " in line
    assert [path.name for path in (tmp_path / "out").iterdir()] == [f"{FIRST}.onnx"]


def test_all_and_best_name_what_is_complete(trained_run: Path, tmp_path: Path) -> None:
    """Each file once, whatever names it."""
    shown = export(trained_run, tmp_path, "best", "all", FIRST, "--format", "safetensors")
    assert shown.exit_code == 0
    names = {f"{name}.safetensors" for name in (FIRST, SECOND)}
    assert {path.name for path in tmp_path.iterdir()} == names
    assert len(shown.stdout.splitlines()) == 2


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["best", "--format", "tflite"], "--format tflite: use onnx, pt2, safetensors"),
        (["best", "--format", "pt2", "--opset", "18"], "--opset is for --format onnx"),
        (["CustomRegNet"], "CustomRegNet is not part of this run"),
    ],
)
def test_mistakes_are_one_line(
    trained_run: Path, tmp_path: Path, arguments: list[str], line: str
) -> None:
    """Nothing is written for what cannot be."""
    shown = export(trained_run, tmp_path / "out", *arguments)
    assert shown.exit_code == 2
    assert line in " ".join(shown.stderr.split())
    assert not (tmp_path / "out").exists()


def test_opset_that_cannot_be_is_refused(trained_run: Path, tmp_path: Path) -> None:
    """One line and exit code 1; no file."""
    shown = export(trained_run, tmp_path / "out", FIRST, "--opset", "99")
    assert (shown.exit_code, shown.stdout) == (1, "")
    assert "cannot be exported as onnx with opset 99" in " ".join(shown.stderr.split())
    assert not (tmp_path / "out").exists()


def test_missing_package_is_named(
    trained_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the extra is not installed, the line says how it is."""
    monkeypatch.setattr("holdfast.export.formats.find_spec", lambda _: None)
    shown = export(trained_run, tmp_path, "best")
    assert shown.exit_code == 2
    assert "pip install 'holdfast[onnx]'" in " ".join(shown.stderr.split())
