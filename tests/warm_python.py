"""Real child processes without the seconds that importing torch takes.

One process imports torch and Holdfast, then forks a child for each script; what a child does,
and what kills it, is its own. Nothing of torch runs before the fork.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

_SERVER = """
import json, os, sys, traceback
import torch, torch._dynamo, sklearn.metrics, sklearn.datasets  # optimizers load dynamo
import holdfast.cli.display, holdfast.cli.train, holdfast.pipeline

def run(code, cwd, output, argv):
    os.chdir(cwd)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    out = os.open(output, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    os.dup2(out, 1), os.dup2(out, 2)
    sys.argv = argv
    exec(compile(code, argv[0], "exec"), {"__name__": "__main__", "__file__": argv[0]})

def child(request):
    status = 0
    try:
        run(**request)
    except SystemExit as stop:
        status = stop.code if isinstance(stop.code, int) else 0 if stop.code is None else 1
    except BaseException:
        traceback.print_exc()
        status = 1
    sys.stdout.flush(), sys.stderr.flush()
    os._exit(status)

print("ready", flush=True)
while line := sys.stdin.readline():
    pid = os.fork()
    if pid == 0:
        child(json.loads(line))
    print(pid, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""


@dataclass
class Child:
    """One script in its own process."""

    pid: int
    output_file: Path
    _answer: Callable[[], str]
    _status: int | None = None

    @property
    def output(self) -> str:
        """What it has printed so far, to stdout and stderr."""
        return self.output_file.read_text(encoding="utf-8")

    def kill(self, signal_number: int = signal.SIGKILL) -> int:
        """Send it a signal and return the status it ends with, negative for a signal's."""
        with suppress(ProcessLookupError):  # it has just ended by itself
            os.kill(self.pid, signal_number)
        return self.wait()

    def wait(self) -> int:
        """Return the status it ends with."""
        if self._status is None:
            self._status = int(self._answer())
        return self._status

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        return True

    def put_away(self) -> None:
        """End it if a failed test has left it running."""
        if self._status is None:
            self.kill()


class WarmPython:
    """Starts scripts, one at a time, in processes that have torch imported already."""

    def __enter__(self) -> Self:
        self._server = subprocess.Popen(
            [sys.executable, "-c", _SERVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        assert self._answer() == "ready"
        self._last: Child | None = None
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._last:
            self._last.put_away()
        self._server.communicate()

    def start(self, code: str, cwd: Path, argv: tuple[str, ...] = ("block.py",)) -> Child:
        """Run ``code`` as a script in ``cwd``; the one started before ends here at the latest."""
        if self._last:
            self._last.put_away()
        output = cwd / f"output-{time.monotonic_ns()}.txt"
        output.touch()
        request = {"code": code, "cwd": str(cwd), "output": str(output), "argv": argv}
        assert self._server.stdin is not None
        print(json.dumps(request), file=self._server.stdin, flush=True)
        self._last = Child(int(self._answer()), output, self._answer)
        return self._last

    def _answer(self) -> str:
        assert self._server.stdout is not None
        return self._server.stdout.readline().strip()


class Running(Protocol):
    """A process, however it was started."""

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""

    @property
    def output(self) -> str:
        """What it has printed so far."""


def wait_until(happened: Callable[[], bool], child: Running) -> None:
    """Wait for something that a child does; fail with its output if it ends before."""
    while not happened():
        assert child.running, child.output
        time.sleep(0.01)
