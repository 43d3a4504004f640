"""``holdfast status`` in a process of its own, also on a machine that has no torch."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from holdfast.rundir import (
    JobName,
    Position,
    RecoveryState,
    checkpoint_path,
    load_state,
    save_state,
)
from tests.status.whole import write_whole

WITHOUT_TORCH = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "kornia", "sklearn", "numpy"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Refuse())
from holdfast.__main__ import main
main()
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A run with one backbone complete, whose loss was not a number, and one begun."""
    result = {"final_accuracy": 0.9, "final_loss": float("nan"), "history": {"x": [float("inf")]}}
    state = RecoveryState(backbones=["a", "b"], results={JobName("a"): result})
    write_whole(checkpoint_path(tmp_path, JobName("b"), Position("head", 1)))
    save_state(tmp_path, state)
    return tmp_path


def status(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT_TORCH, "status", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_status_works_without_torch(directory: Path) -> None:
    """The report needs neither torch nor numpy, and the run is as it was."""
    before = sorted(directory.iterdir())
    shown = status("--checkpoint-dir", directory)
    assert shown.returncode == 0, shown.stderr
    assert "Completed:  1 of 2 backbones" in shown.stdout
    assert sorted(directory.iterdir()) == before


def test_table_of_a_finished_run_works_without_torch(directory: Path) -> None:
    """With everything complete the table of results comes with the report."""
    state = load_state(directory)
    state.results[JobName("b")] = {"final_accuracy": 0.75}
    save_state(directory, state)

    shown = status("--checkpoint-dir", directory)
    assert shown.returncode == 0, shown.stderr
    table = shown.stdout.partition("2 of 2 backbones complete")[2]
    assert "0.7500" in table


def test_json_is_valid_and_whole(directory: Path) -> None:
    """--json is JSON by the letter: no NaN, and every key of the status."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    shown = status("--json", "--checkpoint-dir", directory)
    assert shown.returncode == 0, shown.stderr
    read = json.loads(shown.stdout, parse_constant=refuse)
    assert (read["completed"], read["next_backbone"]) == (1, "b")
    assert read["jobs"][0]["result"] == {
        "final_accuracy": 0.9,
        "final_loss": None,
        "history": {"x": [None]},
    }
    assert set(read) >= {
        *("recovery_available", "total_backbones", "completed", "remaining", "next_backbone"),
        *("current_backbone", "current_stage", "current_epoch", "jobs", "timestamp", "bytes"),
    }


def test_no_directory_is_a_usage_error(tmp_path: Path) -> None:
    """One line, exit code 2, and the directory is not made by asking."""
    shown = status("--checkpoint-dir", tmp_path / "none")
    assert shown.returncode == 2
    assert (
        shown.stderr
        == f"holdfast: {tmp_path / 'none'}: no such directory; `holdfast train` makes it\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_directory_without_a_run_is_said_to_have_none(tmp_path: Path) -> None:
    """No list of backbones that somebody might take for a run; JSON keeps its keys."""
    shown, read = (
        status("--checkpoint-dir", tmp_path),
        status("--json", "--checkpoint-dir", tmp_path),
    )
    line = f"{tmp_path}: no run is recorded here; `holdfast train` begins one\n"
    assert (shown.returncode, shown.stdout) == (0, line)
    assert not json.loads(read.stdout)["recovery_available"]


def test_disk_that_does_not_answer_is_one_line(directory: Path) -> None:
    """A read that the disk refuses, or that nobody foresaw, ends with exit code 5, not a trace."""
    memory = Path("/proc/self/mem")
    if not memory.exists():
        pytest.skip("this system has no file that cannot be read")
    (directory / "journal.jsonl").symlink_to(memory)
    shown = status("--checkpoint-dir", directory)

    assert shown.returncode == 5
    assert shown.stderr == (
        f"holdfast: {directory / 'journal.jsonl'}: Input/output error; nothing saved before is "
        "lost, run the same command again\n"
    )


def test_running_training_tells_what_a_crash_would_lose(tmp_path: Path) -> None:
    """Status says who trains, how often it saves, what that costs, and what is not saved yet."""
    trains = """
import sys, torch, holdfast
model = torch.nn.Linear(2, 2)
run = holdfast.open(sys.argv[1], save_interval=0.0)
with run, run.job("net", state={"m": model}) as job:
    for stage in job.stages({"head": 1}):
        for _ in stage.epochs():
            for _ in stage.batches(torch.utils.data.TensorDataset(torch.ones(8, 2)), 2):
                job.step(loss=0.5)
            job.save()
            print("saved", flush=True)
            sys.stdin.read()
"""
    command = [sys.executable, "-c", trains, str(tmp_path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "saved\n"
        told = status("--checkpoint-dir", tmp_path).stdout
        data = json.loads(status("--json", "--checkpoint-dir", tmp_path).stdout)
        child.kill()

    assert f"Training:   process {child.pid} on" in told
    assert "Saving:     every 0.0 s, " in told
    assert "; a crash now loses " in told
    assert data["saving"]["job"] == "net"
    assert 0 < data["saving"]["would_lose"] < 60
    after = status("--checkpoint-dir", tmp_path).stdout
    assert "Training:" not in after
    assert "a crash now" not in after
