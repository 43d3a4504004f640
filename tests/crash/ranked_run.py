"""`holdfast train` on several ranks: real processes, which can be killed one by one."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from holdfast.rundir import Journal

BACKBONE = "CustomResNetMish"  # BatchNorm, whose statistics the first rank keeps
EPOCHS = 4
_SETTINGS = """
backbones = "{backbone}"
size = "tiny"
image_size = 32
batch_size = 13
epochs_head = 1
epochs_finetune = {epochs}
folds = 0
threads = 1
save_interval = 0.0
ranks = {ranks}
"""
PATIENCE = 120.0
"""Seconds to wait for anything, on a machine that has other things to do."""


@dataclass
class RankedRun:
    """A run of one backbone in a directory; each `start` goes on with it."""

    data: Path
    directory: Path
    ranks: int = 2
    command: tuple[str, ...] = (sys.executable, "-m", "holdfast")
    environment: Mapping[str, str] = field(default_factory=dict)
    more: str = ""
    """Settings at the end of the file."""

    def start(self, *options: str) -> "Started":
        """Start it, or go on with it."""
        settings = self.directory.with_suffix(f".{self.ranks}.toml")
        wanted = _SETTINGS.format(backbone=BACKBONE, epochs=EPOCHS, ranks=self.ranks)
        settings.write_text(wanted + self.more)
        command = [*self.command, "train", "--data", str(self.data), "--config", str(settings)]
        command += ["--checkpoint-dir", str(self.directory), *options]
        with self._output_file.open("ab") as output:
            environment = {**os.environ, **self.environment}
            child = subprocess.Popen(
                command, stdout=output, stderr=output, start_new_session=True, env=environment
            )
        return Started(child, self)

    def finish(self, *options: str, code: int = 0) -> None:
        """Train to the end, which is to come with this exit code."""
        with self.start(*options) as started:
            assert started.process.wait(PATIENCE) == code, self.output

    @property
    def output(self) -> str:
        """What the starts have printed."""
        return self._output_file.read_text()

    def traced(self, to: Path) -> "RankedRun":
        """Return the same run, with a trace of its steps."""
        variables = {"HOLDFAST_PROVE": json.dumps({"trace": str(to)})}
        return RankedRun(self.data, self.directory, self.ranks, self.command, variables)

    def events(self, *names: str) -> list[dict[str, Any]]:
        """Return what the journal tells of these events."""
        there = self.directory.exists()
        return [r for r in Journal(self.directory).read() if r["event"] in names] if there else []

    @property
    def _output_file(self) -> Path:
        return self.directory.with_suffix(".txt")


@dataclass
class Started:
    """A start, and the ranks that it has started."""

    process: subprocess.Popen[bytes]
    run: RankedRun

    def __enter__(self) -> "Started":
        self._entered = self._entries()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill_all()

    def kill_all(self) -> None:
        """End the whole group of processes at once."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(PATIENCE)

    def ranks(self) -> list[int]:
        """Return the process ids of the ranks, the first one's first."""
        return sorted(pid for child in self.children() for pid in _children(child))

    def children(self) -> list[int]:
        """Return the process ids of what this process itself has started."""
        return _children(self.process.pid)

    def is_in_training(self) -> bool:
        """Wait until the ranks are in training since the last call; False if it ends before."""
        end = time.monotonic() + PATIENCE
        while self.process.poll() is None:
            if (entered := self._entries()) > self._entered:
                self._entered = entered
                return True
            assert time.monotonic() < end, self.run.output
            time.sleep(0.01)
        return False

    def wait_until(self, happened: Callable[[], bool]) -> None:
        """Wait for something that the ranks do."""
        end = time.monotonic() + PATIENCE
        while not happened():
            assert self.process.poll() is None, self.run.output
            assert time.monotonic() < end, self.run.output
            time.sleep(0.01)

    def _entries(self) -> int:
        return len(self.run.events("job_started", "job_resumed"))


def is_running(pid: int) -> bool:
    """Tell whether a process is there, and not only waits to be noticed dead."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2]
    except FileNotFoundError:
        return False
    return state[0] != "Z"


def _children(pid: int) -> list[int]:
    try:
        return [*map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]
    except (FileNotFoundError, ProcessLookupError):
        return []
