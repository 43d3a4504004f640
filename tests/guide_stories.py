"""The runs that ``docs/guide.md`` tells of, acted out: sandboxes, bare commands, real crashes."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from holdfast.checkpoint import CheckpointManager
from holdfast.config import BACKBONES
from holdfast.rundir import JobName, Journal, Position, checkpoint_path, list_checkpoints
from holdfast.status import read_status, render_text
from holdfast.storage import remove
from tests.warm_python import Child, WarmPython, wait_until

SOURCE = Path(__file__).parents[1] / "src"
FOLDS = 5
_TRAIN = ("src/main.py", "--config", "settings.toml", "--data")
_SETTINGS = """
size = "tiny"
image_size = 32
batch_size = 8
keep_latest = 20
patience = 40
threads = 1
save_interval = 1000.0
"""


def make_sandbox(root: Path) -> Path:
    """Make a directory where ``src/`` is reachable as in the project."""
    root.mkdir(parents=True)
    (root / "src").symlink_to(SOURCE, target_is_directory=True)
    return root


def copy_sandbox(original: Path, root: Path) -> Path:
    """Copy a sandbox with its checkpoints, but not the lock of whoever wrote them."""
    make_sandbox(root)
    ignored = shutil.ignore_patterns(".lock*")
    shutil.copytree(original / "checkpoints", root / "checkpoints", ignore=ignored)
    return root


def happened(sandbox: Path, *events: str) -> list[str]:
    """Return the job of each of these events, as the journal has them."""
    records = Journal(sandbox / "checkpoints").read()
    return [record["job"] for record in records if record["event"] in events]


class Shell:
    """A bash block in a process group of its own; ``python`` is the one that runs the tests."""

    def __init__(self, block: str, sandbox: Path) -> None:
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        self.sandbox = sandbox
        self._file = sandbox / f"bash-{time.monotonic_ns()}.txt"
        with self._file.open("wb") as output:
            self.process = subprocess.Popen(
                ["bash", "-c", block],
                cwd=sandbox,
                env={**os.environ, "PATH": path, "OMP_NUM_THREADS": "1"},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        """What it has printed so far."""
        return self._file.read_text(encoding="utf-8")

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self.process.poll() is None

    def signal_training(self, number: int) -> int:
        """Send a signal to the process that trains, and return bash's exit status."""
        holder = self.sandbox / "checkpoints" / ".lock.holder.json"
        os.kill(json.loads(holder.read_text())["pid"], number)
        return self.process.wait()


@contextmanager
def bash(block: str, sandbox: Path) -> Iterator[Shell]:
    """Run a bash block, and end what it leaves running."""
    shell = Shell(block, sandbox)
    try:
        yield shell
    finally:
        if shell.running:
            os.killpg(shell.process.pid, signal.SIGKILL)
        shell.process.wait()


@dataclass(frozen=True)
class Scenario:
    """A crash: what was complete by then, and where which job stood."""

    completed: int
    job: JobName
    position: Position
    folds_completed: int = 0
    epochs_head: int = 40


SCENARIOS = {
    "scenario-1": Scenario(2, JobName("CustomGhostNetV2"), Position("finetune", 15), epochs_head=1),
    "scenario-2": Scenario(
        15, JobName("CustomCoAtNet", 3), Position("head", 3), folds_completed=42
    ),
    "scenario-3": Scenario(7, JobName("CustomSwinTransformer"), Position("head", 3)),
}


@dataclass(frozen=True)
class Story:
    """A scenario that has happened."""

    sandbox: Path
    status_before: str
    """``recovery_status.txt`` after the crash."""
    output_after: str
    """What the start after it printed."""


def act_out(scenario: Scenario, python: WarmPython, data: Path, sandbox: Path) -> Story:
    """Train up to the scenario's position, crash there, start again, and stop politely."""
    directory = make_sandbox(sandbox) / "checkpoints"
    _complete(scenario, directory)
    settings = f"{_SETTINGS}\nepochs_head = {scenario.epochs_head}\n"
    child = train(python, sandbox, data, settings)
    reached = checkpoint_path(directory, scenario.job, scenario.position)
    wait_until(reached.exists, child)
    assert child.kill() == -signal.SIGKILL
    _go_back_to(scenario, directory)
    before = render_text(read_status(directory))
    child = train(python, sandbox, data, settings)
    wait_until(lambda: "continuing from" in child.output, child)
    assert child.kill(signal.SIGTERM) == 143, child.output
    return Story(sandbox, before, child.output)


def train(python: WarmPython, sandbox: Path, data: Path, settings: str) -> Child:
    """Start ``python src/main.py`` with small settings."""
    (sandbox / "settings.toml").write_text(settings)
    code = (SOURCE / "main.py").read_text(encoding="utf-8")
    return python.start(code, sandbox, (*_TRAIN, str(data)))


def finish(python: WarmPython, sandbox: Path, data: Path) -> None:
    """Train one backbone and its folds to the end."""
    settings = f"{_SETTINGS}\nepochs_head = 2\nepochs_finetune = 1\nfolds = 2\n"
    child = train(python, sandbox, data, settings + 'backbones = "CustomResNetMish"')
    assert child.wait() == 0, child.output


def _complete(scenario: Scenario, directory: Path) -> None:
    manager = CheckpointManager(directory)
    result = {"final_accuracy": 0.95, "final_loss": 0.12}
    for name in BACKBONES[: scenario.completed]:
        manager.mark_backbone_complete(name, result)
    for number in range(scenario.folds_completed):
        name, fold = BACKBONES[number // FOLDS], number % FOLDS + 1
        manager.save_kfold_progress(name, fold, result, folds=FOLDS)
    manager.close()


def _go_back_to(scenario: Scenario, directory: Path) -> None:
    """Remove what it saved between reaching the position and being killed."""
    at = scenario.position
    for file in list_checkpoints(directory, scenario.job):
        position = file.position
        if position.stage == at.stage and (position.epoch, position.step) > (at.epoch, at.step):
            remove(file.path)
