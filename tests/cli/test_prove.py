"""``holdfast prove`` as a person meets it: real processes, real kills, its words and exit code."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

LOOP = Path(__file__).parents[1] / "pipeline" / "proved_loop.py"


def prove(*arguments: str | Path, home: Path) -> subprocess.CompletedProcess[str]:
    (home / "tmp").mkdir(exist_ok=True)
    command = [sys.executable, "-m", "holdfast", "prove", *map(str, arguments)]
    return subprocess.run(
        command,
        cwd=home,
        env={**os.environ, "OMP_NUM_THREADS": "1", "TMPDIR": str(home / "tmp")},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def left_in(home: Path) -> list[str]:
    """List what is there, but for the empty folder that importing torch's optimizers makes."""
    found = (str(path.relative_to(home)) for path in home.rglob("*"))
    return sorted(name for name in found if "torchinductor" not in name)


def test_own_series_is_proved_on_a_few_images(digits_folder: Path, tmp_path: Path) -> None:
    """The user's data and backbones; exit 0 after real kills; the user's own run is untouched."""
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "CustomMobileOne_head_epoch1.pth").write_bytes(b"mine")
    settings = ("--data", digits_folder, "--size", "tiny", "--image-size", "32")
    few = ("--backbones", "CustomMobileOne", "--batch-size", "16", "--steps", "2", "--kills", "2")
    proved = prove(*settings, *few, home=tmp_path)
    lines = proved.stdout.splitlines()

    assert proved.returncode == 0, proved.stdout + proved.stderr
    assert lines[-1] == "✓ 1 of 1 backbones: the same bits after 2 kills"
    assert "undisturbed: 6 steps" in lines
    assert sum(line.startswith("  killed ") for line in lines) == 2
    assert max(map(len, lines)) <= 80
    assert left_in(tmp_path) == [
        "checkpoints",
        "checkpoints/CustomMobileOne_head_epoch1.pth",
        "tmp",
    ]


def test_loop_of_ones_own_is_convicted_job_by_job(tmp_path: Path) -> None:
    """Randomness outside the seeded path, and state that no checkpoint holds; exit 1."""
    jobs = "model_draws,steady,hidden_buffer"
    command = (sys.executable, LOOP, "{dir}", jobs)
    convicted = prove("--kills", "2", "--", *command, home=tmp_path)
    text = " ".join(convicted.stdout.split())

    assert convicted.returncode == 1, convicted.stdout + convicted.stderr
    assert convicted.stdout.splitlines()[-1] == "✗ 1 of 3 jobs have the same bits"
    assert "undisturbed again: 1 of 3 differ" in text
    assert "killed 2 times: 2 of 3 differ" in text
    assert "✗ model_draws differs first at head epoch 1, step 1: loss (" in text
    assert "the model or its loss draws from a generator of its own" in text
    assert "the state that it met, model.calls (not in its state_dict)" in text
    assert left_in(tmp_path) == ["tmp"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--", "python", "loop.py"], "the command has no {dir}"),
        (["--seed", "1", "--", "python", "{dir}"], "--seed: for Holdfast's own series only"),
        (["--backbones", "CustomMobile1"], "no backbone is called 'CustomMobile1'"),
        (["--data", "nowhere"], "nowhere cannot be found"),
    ],
    ids=["no {dir}", "two minds", "backbone", "data"],
)
def test_what_cannot_be_proved_is_told_in_a_line(
    tmp_path: Path, arguments: list[str], message: str
) -> None:
    """Exit 2 and one line: what is wrong, before anything is claimed."""
    refused = prove(*arguments, home=tmp_path)

    assert refused.returncode == 2, refused.stdout
    (line,) = refused.stderr.splitlines()
    assert message in line
    assert left_in(tmp_path) == ["tmp"]
