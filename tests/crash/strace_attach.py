"""Faults as the kernel deals them: strace, attached to a child before it begins."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Self

from tests.crash.storm import Storm
from tests.warm_python import Child

CALLS = {  # by the names that holdfast.storage.disk has for them
    "create": "openat",
    "append": "openat",
    "write": "write",
    "sync": "fsync",
    "sync_directory": "fsync",
    "rename": "/^rename",
    "unlink": "/^unlink",
}


@dataclass
class Tracer:
    """A strace that watches one process."""

    process: subprocess.Popen[bytes]
    log: Path

    @classmethod
    def attach(cls, pid: int, log: Path, options: Iterable[str]) -> Self:
        """Return when the process is traced; RuntimeError says why it cannot be."""
        command = ["strace", "-f", "-q", "-o", str(log), "-p", str(pid), *options]
        complaints = log.with_suffix(".stderr")
        with complaints.open("wb") as stderr:
            tracer = cls(subprocess.Popen(command, stderr=stderr), log)
        while "\nTracerPid:\t0\n" in Path(f"/proc/{pid}/status").read_text():
            if tracer.process.poll() is not None:
                raise RuntimeError(complaints.read_text().strip())
            time.sleep(0.002)
        return tracer

    def injected(self) -> str:
        """Return the call that was made to fail; empty where the child ended without meeting it."""
        self.process.wait(10)  # it ends with the child
        lines = self.log.read_text().splitlines()
        return next((line for line in lines if line.endswith("(INJECTED)")), "")


@cache
def why_not() -> str | None:
    """Say why strace cannot be used here; None where it can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    idle = subprocess.Popen(["sleep", "60"])
    try:
        with tempfile.TemporaryDirectory() as home:
            tracer = Tracer.attach(idle.pid, Path(home) / "log", [])
            idle.kill()
            tracer.process.wait(10)
    except RuntimeError as error:
        return f"strace may not attach here: {error}"
    finally:
        idle.kill()
        idle.wait()
    return None


def begin_traced(
    storm: Storm, fault: str, effect: str, paths: Iterable[str]
) -> tuple[Child, Tracer]:
    """Start the storm's series and have ``fault`` injected into its calls on ``paths``.

    ``fault`` is strace's, such as ``error=EIO:when=2``; the call is not carried out.
    ``effect`` is a key of `CALLS`; ``paths`` are below the directory, with PID for the child's.
    """
    gate = storm.tiny.home / "gate"
    if not gate.exists():
        os.mkfifo(gate)
    child = storm.begin(f"open({str(gate)!r}).close()")
    about = (storm.directory / path.replace("PID", str(child.pid)) for path in paths)
    options = [word for path in about for word in ("-P", str(path))]
    options += ["-e", f"trace={CALLS[effect]}", "-e", f"inject={CALLS[effect]}:{fault}"]
    tracer = Tracer.attach(child.pid, storm.tiny.home / "strace.log", options)
    gate.write_bytes(b"")  # what the child waits for
    return child, tracer
