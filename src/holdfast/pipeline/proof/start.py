"""One start of the command that is proved: until it ends, or is killed."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from holdfast.errors import UsageError
from holdfast.pipeline.proof.kills import Kill
from holdfast.pipeline.proof.traced import Step, TraceReader
from holdfast.storage import disk
from holdfast.training.trace import VARIABLE

_LOOK = 0.005  # seconds between two looks at the trace


@dataclass(frozen=True)
class Start:
    """How one start went."""

    steps: list[Step]
    killed: str | None
    """Where it was killed, in words; None where it ended by itself."""
    status: int
    last_line: str
    """Of its output."""
    startup: float
    """Seconds from its start to its first step."""


def start(command: Sequence[str], home: Path, number: int, kill: Kill | None) -> Start:
    """Run ``command`` once; its trace and its output stay in ``home``.

    Raises:
        UsageError: there is no such command.
    """
    trace, output = TraceReader(home / f"trace-{number}.jsonl"), home / f"output-{number}.txt"
    request = {"trace": str(trace.path), "kill": kill.request if kill else None}
    began = time.monotonic()
    child = _spawn(command, output, {VARIABLE: json.dumps(request)})
    try:
        struck = _wait(child, trace, kill)
    finally:
        _end(child)
    trace.read()
    killed = kill.words(trace.killed) if kill and (struck or trace.killed) else None
    startup = (trace.steps[0].time if trace.steps else time.monotonic()) - began
    return Start(trace.steps, killed, child.returncode, _last_line(output), startup)


def _spawn(
    command: Sequence[str], output: Path, environment: dict[str, str]
) -> "subprocess.Popen[bytes]":
    with disk.create(output) as out:
        try:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**os.environ, **environment},
                start_new_session=True,  # to end it with its workers, and with what wraps it
            )
        except OSError as error:
            raise UsageError(f"{command[0]}: {error.strerror}; is the command right?") from None


def _wait(child: "subprocess.Popen[bytes]", trace: TraceReader, kill: Kill | None) -> bool:
    """Wait for the end of a child, or for the moment to kill it; return whether it is that."""
    if kill is None or kill.moment.effect is not None:
        child.wait()
        return False
    while kill.step is not None and not any(step.key == kill.step.key for step in trace.steps):
        if child.poll() is not None:
            return False
        time.sleep(_LOOK)
        trace.read()
    with suppress(subprocess.TimeoutExpired):
        child.wait(kill.seconds)
    return child.returncode is None


def _end(child: "subprocess.Popen[bytes]") -> None:
    """Kill a child, and what it has started, without asking."""
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError, PermissionError):  # nothing is left of it
            os.killpg(child.pid, signal.SIGKILL)
    else:
        child.kill()
    child.wait()


def _last_line(output: Path) -> str:
    lines = output.read_text(encoding="utf-8", errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")
