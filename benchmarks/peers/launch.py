"""Starting a loop in a process of its own, ending it with SIGKILL, and what it left."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from peers.peer import Peer
from torch import Tensor

TIMEOUT = 120
_START = re.compile(r"^training from step (\d+)$", re.MULTILINE)


@dataclass(frozen=True)
class Outcome:
    """How a process ended."""

    code: int | None
    """Its exit status; None where it did not end in time."""
    output: str
    start: int | None
    """Optimizer steps that it did not have to do again; None if it never got to training."""
    weights: Mapping[str, Tensor] | None
    seconds: float
    """From the first step to the writing of the weights; 0 where none were written."""


class Process:
    """A loop that is running."""

    def __init__(self, command: Sequence[str], log: Path, weights: Path, tmp: Path) -> None:
        self.log, self.weights = log, weights
        self.began: float | None = None
        weights.unlink(missing_ok=True)
        quiet = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PYTHONUNBUFFERED": "1"}
        environment = {**os.environ, **quiet, "TMPDIR": str(tmp)}
        with log.open("wb") as file:
            self.child = subprocess.Popen(
                command, stdout=file, stderr=subprocess.STDOUT, env=environment
            )

    def wait_until(self, condition: Callable[[], bool]) -> bool:
        """Wait until ``condition`` holds; False if the process ends before, or takes too long."""
        limit = time.monotonic() + TIMEOUT
        while not condition():
            if self.child.poll() is not None or time.monotonic() > limit:
                return False
            time.sleep(0.001)
        return True

    def trains(self) -> bool:
        """Tell whether training has begun."""
        if self.began is None and _START.search(self.log.read_text(errors="replace")):
            self.began = time.time()
        return self.began is not None

    def trained_for(self) -> float:
        """Return the seconds since training began."""
        return time.time() - self.began if self.began else 0.0

    def kill(self) -> bool:
        """End it with SIGKILL; False if it had trained to the end."""
        self.child.kill()
        return self.child.wait() == -signal.SIGKILL and not self.weights.exists()

    def end(self) -> Outcome:
        """Wait for its end."""
        self.wait_until(self.trains)
        code: int | None
        try:
            code = self.child.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            self.kill()
            code = None
        output = self.log.read_text(errors="replace")
        started = _START.search(output)
        weights, seconds = None, 0.0
        if code == 0 and self.weights.exists():
            weights = torch.load(self.weights)
            seconds = self.weights.stat().st_mtime - (self.began or 0)
        return Outcome(code, output, int(started[1]) if started else None, weights, seconds)


class Place:
    """The folder in which one peer trains, again and again under the same paths."""

    def __init__(self, peer: Peer, work: Path, save_every: int) -> None:
        self.peer, self.save_every = peer, save_every
        self.folder = work / peer.key
        self.checkpoints = self.folder / "checkpoints"
        self.tmp = self.folder / "tmp"

    def clear(self, like: Path | None = None) -> None:
        """Make the checkpoint directory one that was never used, or as the snapshot ``like``."""
        for folder in (self.checkpoints, self.tmp):
            shutil.rmtree(folder, ignore_errors=True)
        self.tmp.mkdir(parents=True)
        if like is not None:
            shutil.copytree(like, self.checkpoints)

    def start(
        self, *, seed: int = 1, name: str = "final", before: Sequence[str | Path] = ()
    ) -> Process:
        """Start the loop; ``before`` is what stands before it on the command line."""
        weights = self.folder / f"{name}.pt"
        command = [*before, sys.executable, self.peer.script, self.checkpoints]
        command += ["--weights", weights, "--seed", str(seed), "--save-every", str(self.save_every)]
        return Process(
            [str(part) for part in command], self.folder / f"{name}.log", weights, self.tmp
        )

    def run(self) -> Outcome:
        """Run the loop to its end."""
        return self.start().end()
