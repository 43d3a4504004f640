"""``holdfast train`` as a person meets it: real processes, their output and exit codes."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from holdfast.rundir import last_start
from holdfast.status import describe, read_status

TINY = """
backbones = "CustomMobileOne,CustomResNetMish"
size = "tiny"
image_size = 32
batch_size = 16
epochs_head = 1
epochs_finetune = 2
save_interval = 1000.0
folds = 2
fold_backbones = ["CustomMobileOne"]
threads = 1
"""


def holdfast(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "holdfast", *map(str, arguments)]
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=300, check=False
    )


def one_line(finished: subprocess.CompletedProcess[str]) -> str:
    """Return the fault's message: a single line, and no traceback."""
    lines = finished.stderr.strip().splitlines()
    assert len(lines) == 1, finished.stderr
    assert lines[0].startswith("holdfast: ")
    return lines[0]


@pytest.fixture(scope="module")
def trained(digits_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run; its directory's parent holds the settings it was trained with."""
    home = tmp_path_factory.mktemp("trained")
    (home / "tiny.toml").write_text(TINY)
    finished = holdfast("train", "--data", digits_folder, "--config", "tiny.toml", cwd=home)
    assert finished.returncode == 0, finished.stderr
    (home / "output.txt").write_text(finished.stdout)
    return home


def test_finished_run_shows_a_table_that_fits_a_terminal(trained: Path) -> None:
    """At the end stands a table of all backbones, within 80 columns."""
    lines = (trained / "output.txt").read_text().splitlines()

    table = lines[next(i for i, line in enumerate(lines) if "Backbone" in line) :]
    assert "2 of 2 backbones complete" in "\n".join(lines)
    assert "96 images to learn from, 12 to validate, 12 to test; 3 classes" in lines
    assert any("CustomMobileOne" in line and "±" in line for line in table)
    assert max(map(len, lines)) <= 80


def test_second_start_trains_nothing(trained: Path, digits_folder: Path) -> None:
    """Completed backbones and folds are never trained again."""
    before = {p: p.stat().st_mtime_ns for p in (trained / "checkpoints").glob("*.pth")}
    again = holdfast("train", "--data", digits_folder, "--config", "tiny.toml", cwd=trained)

    assert again.returncode == 0
    assert "Completed: 2 backbones" in again.stdout
    assert {p: p.stat().st_mtime_ns for p in (trained / "checkpoints").glob("*.pth")} == before


def test_results_hold_what_was_measured(trained: Path) -> None:
    """Accuracy, precision, recall, F1, ROC AUC and the confusion matrix are in the result."""
    state = json.loads((trained / "checkpoints" / ".recovery_state.json").read_text())

    result = state["results"]["CustomResNetMish"]
    for key in ("accuracy", "precision", "recall", "f1", "roc_auc", "loss", "final_accuracy"):
        assert result[key] >= 0
    assert sum(map(sum, result["confusion_matrix"])) == 12  # the test split of 120 images
    folds = json.loads((trained / "checkpoints" / ".kfold_progress.json").read_text())
    assert set(folds["completed"]["CustomMobileOne"]) == {"1", "2"}


def test_other_settings_are_refused(trained: Path, digits_folder: Path) -> None:
    """A start that would not continue the run exactly exits 3 and names what differs."""
    start = ("train", "--data", digits_folder, "--config", "tiny.toml")
    refused = holdfast(*start, "--batch-size", "8", cwd=trained)

    assert refused.returncode == 3
    assert "--batch-size was 16, now 8" in one_line(refused)


def test_changed_image_is_refused(trained: Path, digits_folder: Path, tmp_path: Path) -> None:
    """Another image under the same name is another run: exit 3, and the data are named."""
    changed = tmp_path / "changed"
    changed.mkdir()
    for path in sorted(digits_folder.rglob("*.png")):
        target = changed / path.relative_to(digits_folder)
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(path.read_bytes())
    first, second = sorted(changed.rglob("*.png"))[:2]
    first.write_bytes(second.read_bytes())
    refused = holdfast("train", "--data", changed, "--config", "tiny.toml", cwd=trained)

    assert refused.returncode == 3
    assert "the images have changed" in one_line(refused)


def test_verify_recovery_refuses_what_a_start_would(trained: Path, digits_folder: Path) -> None:
    """With other settings, exit 3 and the difference; without any it only verifies."""
    check = ("train", "--data", digits_folder, "--config", "tiny.toml", "--verify-recovery")
    refused = holdfast(*check, "--seed", "7", cwd=trained)
    bare = holdfast("train", "--verify-recovery", cwd=trained)

    assert refused.returncode == 3
    assert "--seed was 42, now 7" in one_line(refused)
    assert "Resuming" not in refused.stdout
    assert bare.returncode == 0, bare.stderr


def test_verify_recovery_counts_what_the_start_adds(trained: Path, digits_folder: Path) -> None:
    """A backbone that the run lacks remains to be trained, as the start itself will say."""
    check = ("train", "--data", digits_folder, "--config", "tiny.toml", "--verify-recovery")
    more = holdfast(*check, "--backbones", "CustomRegNet,CustomResNetMish", cwd=trained)

    assert more.returncode == 0, more.stderr
    assert "Remaining: 1 backbone\n" in more.stdout


def test_refused_start_is_not_how_the_run_was_started(trained: Path, digits_folder: Path) -> None:
    """What could not begin is neither told to be typed again, nor done at a boot."""
    before = last_start(trained / "checkpoints")
    start = ("train", "--data", digits_folder, "--config", "tiny.toml")
    refused = holdfast(*start, "--track", "mlflow:nonsense://m.db", cwd=trained)

    assert refused.returncode == 2, refused.stdout + refused.stderr
    assert last_start(trained / "checkpoints") == before


def test_verify_recovery_trains_nothing_and_finds_damage(
    trained: Path, digits_folder: Path
) -> None:
    """--verify-recovery names a damaged file and exits 3; with none it exits 0."""
    check = ("train", "--data", digits_folder, "--config", "tiny.toml", "--verify-recovery")
    good = holdfast(*check, cwd=trained)
    victim = next((trained / "checkpoints").glob("*_finetune_epoch1.pth"))
    whole = victim.read_bytes()
    victim.write_bytes(whole[: len(whole) // 2])
    bad = holdfast(*check, cwd=trained)
    victim.write_bytes(whole)

    assert good.returncode == 0, good.stderr
    assert "Completed: 2 backbones" in good.stdout
    assert bad.returncode == 3
    assert victim.name in bad.stdout
    assert "Traceback" not in bad.stderr


def test_lost_weights_are_made_again(trained: Path, digits_folder: Path, tmp_path: Path) -> None:
    """A completed backbone whose weights file is gone gets the same weights again, and is told."""
    copy = shutil.copytree(trained, tmp_path / "copy", ignore=shutil.ignore_patterns(".lock*"))
    lost = copy / "checkpoints" / "CustomResNetMish_best.pth"
    before = torch.load(lost)
    lost.unlink()
    again = holdfast("train", "--data", digits_folder, "--config", "tiny.toml", cwd=copy)
    after = torch.load(lost)

    assert again.returncode == 0, again.stderr
    assert "weights is lost, making it again" in again.stdout
    assert after["result"] == before["result"]
    weights = before["model_state_dict"]
    assert all(torch.equal(after["model_state_dict"][key], weights[key]) for key in weights)


def test_reset_touches_nothing_but_a_run(tmp_path: Path) -> None:
    """A folder that is no run is left as it is, whatever its files are called."""
    (tmp_path / "mymodel_best.pth").write_text("mine")
    refused = holdfast("reset", "--checkpoint-dir", ".", "--yes", cwd=tmp_path)

    assert refused.returncode == 2
    assert "no run is recorded here" in one_line(refused)
    assert [path.name for path in tmp_path.iterdir()] == ["mymodel_best.pth"]


def test_reset_of_a_misspelt_backbone_is_refused(trained: Path) -> None:
    """A name that the run does not have is told, with the near misses."""
    refused = holdfast("reset", "--backbone", "CustomMobileTwo", "--yes", cwd=trained)

    assert refused.returncode == 2
    assert "did you mean CustomMobileOne" in one_line(refused)


BAD_STARTS = [
    (("--backbones", "CustomResNetMich"), 2, "did you mean CustomResNetMish"),
    (("--image-size", "100"), 2, "multiple of 32, such as 96"),
    (("--folds", "1"), 2, "folds"),
    (("--preset", "huge"), 2, "preset"),
    (("--preset", "full"), 2, "add --data DIR"),
    (("--device", "cuda:99"), 2, "cuda"),
    (("--data", "nowhere"), 2, "nowhere"),
    (("--config", "nowhere.toml"), 2, "nowhere.toml"),
    (("--checkpoint-dir", "/proc/none/run"), 5, "cannot be made there; choose another directory"),
]


@pytest.mark.parametrize(("arguments", "code", "words"), BAD_STARTS)
def test_bad_start_is_one_line_and_leaves_nothing(
    arguments: tuple[str, ...], code: int, words: str, tmp_path: Path
) -> None:
    """Bad input gets one clear line and the documented exit code, and trains nothing."""
    finished = holdfast("train", *arguments, cwd=tmp_path)

    assert finished.returncode == code, finished.stderr
    assert words in one_line(finished)
    assert not list(tmp_path.rglob("*.pth"))


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGUSR1, 143)]
)
def test_signal_saves_and_says_where(
    number: signal.Signals, code: int, digits_folder: Path, tmp_path: Path
) -> None:
    """A stop signal ends the run politely: saved, told where, and the right exit code."""
    (tmp_path / "tiny.toml").write_text(TINY.replace("epochs_finetune = 2", "epochs_finetune = 50"))
    command = [sys.executable, "-m", "holdfast", "train", "--config", "tiny.toml"]
    child = subprocess.Popen(
        [*command, "--data", str(digits_folder)],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(tmp_path / "checkpoints" / "CustomMobileOne_finetune_epoch1.pth", child)
    child.send_signal(number)
    output, errors = child.communicate(timeout=60)

    assert child.returncode == code, errors
    assert f"{number.name}: saving" in output
    assert "Stopped: CustomMobileOne, finetune epoch" in errors
    directory = tmp_path / "checkpoints"
    there = (directory / "recovery_status.txt").read_text()
    position = there.split("CustomMobileOne ", 1)[1].splitlines()[0].strip()
    assert position == describe(read_status(directory).jobs[0])
    assert "Traceback" not in errors


def test_failed_backbone_does_not_stop_the_series(digits_folder: Path, tmp_path: Path) -> None:
    """A loss that explodes fails its backbone; the others are trained, the exit code is 1."""
    explode = "\n[overrides.CustomMobileOne.head]\nlearning_rate = 1e38\nclip_norm = 1e38\n"
    settings = TINY.replace("folds = 2", "folds = 0").replace("batch_size = 16", "batch_size = 8")
    (tmp_path / "tiny.toml").write_text(settings + explode)
    start = ("train", "--data", digits_folder, "--config", "tiny.toml")
    finished = holdfast(*start, cwd=tmp_path)
    state = json.loads((tmp_path / "checkpoints" / ".recovery_state.json").read_text())

    assert finished.returncode == 1, finished.stdout + finished.stderr
    assert state["completed_backbones"] == ["CustomResNetMish"]
    assert "TrainingDivergedError" in state["failed"]["CustomMobileOne"]
    again = holdfast(*start, cwd=tmp_path)
    assert again.returncode == 1
    assert "CustomMobileOne failed" in again.stdout
    # what the message advises: reset the one backbone, and give it other settings
    holdfast("reset", "--backbone", "CustomMobileOne", "--yes", cwd=tmp_path)
    (tmp_path / "tiny.toml").write_text(settings)
    mended = holdfast(*start, cwd=tmp_path)
    assert mended.returncode == 0, mended.stderr


def test_second_process_is_told_who_is_there(digits_folder: Path, tmp_path: Path) -> None:
    """A second start in one directory exits 4 and names the process that trains there."""
    (tmp_path / "tiny.toml").write_text(TINY.replace("epochs_finetune = 2", "epochs_finetune = 50"))
    command = [sys.executable, "-m", "holdfast", "train", "--config", "tiny.toml"]
    first = subprocess.Popen(
        [*command, "--data", str(digits_folder)], cwd=tmp_path, stdout=subprocess.DEVNULL
    )
    wait_for(tmp_path / "checkpoints" / "CustomMobileOne_head_epoch0.pth", first)
    second = holdfast("train", "--data", digits_folder, "--config", "tiny.toml", cwd=tmp_path)
    watching = holdfast("status", cwd=tmp_path)
    first.kill()
    first.wait()

    assert second.returncode == 4
    assert f"process {first.pid}" in one_line(second)
    assert watching.returncode == 0
    assert "CustomMobileOne" in watching.stdout


def test_reset_forgets_one_backbone_or_all(trained: Path) -> None:
    """reset --backbone removes one backbone's files; reset removes the run's."""
    copy = trained.parent / "copied"
    subprocess.run(["cp", "-r", trained, copy], check=True)
    one = holdfast("reset", "--backbone", "CustomMobileOne", "--yes", cwd=copy)
    left = {path.name.split("_")[0] for path in (copy / "checkpoints").glob("*.pth")}
    everything = holdfast("reset", "--yes", cwd=copy)

    assert (one.returncode, everything.returncode) == (0, 0), one.stderr + everything.stderr
    assert left == {"CustomResNetMish"}
    assert not list((copy / "checkpoints").glob("*.pth"))


def test_reset_asks_first(trained: Path) -> None:
    """It asks with what would go; without --yes and without an answer nothing is removed."""
    before = sorted((trained / "checkpoints").iterdir())
    command = [sys.executable, "-m", "holdfast", "reset"]
    asked, unheard = (
        subprocess.run(command, cwd=trained, input=i, capture_output=True, text=True, check=False)
        for i in ("n\n", "")
    )

    assert asked.stdout.startswith("Remove the whole run: 2 results, 2 folds, ")
    assert " in checkpoints? [y/N]: Nothing was changed" in asked.stdout
    assert unheard.returncode == 2
    assert one_line(unheard) == "holdfast: no answer, nothing was changed; --yes does not ask"
    assert sorted((trained / "checkpoints").iterdir()) == before


def test_backbones_lists_all_fifteen_in_80_columns(tmp_path: Path) -> None:
    """holdfast backbones names each with its paper, and fits a terminal."""
    listed = holdfast("backbones", cwd=tmp_path)

    assert listed.returncode == 0, listed.stderr
    assert listed.stdout.count("Custom") == 15
    assert max(map(len, listed.stdout.splitlines())) <= 80


def wait_for(path: Path, child: subprocess.Popen[str]) -> None:
    """Wait until a file is there; fail when the process ends before."""
    deadline = time.monotonic() + 120
    while not path.exists():
        assert child.poll() is None, "the run ended before it was interrupted"
        assert time.monotonic() < deadline, f"{path} never came"
        time.sleep(0.02)
