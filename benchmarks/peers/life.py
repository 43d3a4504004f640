"""One life of a training process in the storm: from its start to its end, or to a SIGKILL."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from peers.storm_task import read_progress

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Life:
    """How a process lived and ended."""

    code: int
    """Its exit status; -9 where it was killed."""
    seconds: float
    first: int | None
    """Steps that it found done; None where it never got to training."""
    last: int
    """Steps that were done when it ended."""
    startup: float
    """Seconds until training began."""
    trained: float
    """Seconds from there to its last step."""
    output: str

    @property
    def killed(self) -> bool:
        """Whether the storm ended it."""
        return self.code == -signal.SIGKILL

    @property
    def error(self) -> str:
        """The last line that it said."""
        return (self.output.strip().splitlines() or [f"exit status {self.code}"])[-1][:160]


def live(script: str, arguments: Sequence[str], folder: Path, threads: int, limit: float) -> Life:
    """Run a loop until it ends, at the most ``limit`` seconds: then it is killed."""
    progress, log = folder / "progress", folder / "log"
    progress.unlink(missing_ok=True)
    command = [sys.executable, str(HERE / f"{script}.py"), *arguments, "--progress", str(progress)]
    (folder / "tmp").mkdir(exist_ok=True)
    quiet = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": str(threads), "TMPDIR": str(folder / "tmp")}
    began, clock = time.time(), time.monotonic()
    with log.open("wb") as file:
        child = subprocess.Popen(
            command, stdout=file, stderr=subprocess.STDOUT, env={**os.environ, **quiet}
        )
    try:
        code = child.wait(limit)
    except subprocess.TimeoutExpired:
        child.kill()
        code = child.wait()
    except BaseException:
        child.kill()
        raise
    seconds = time.monotonic() - clock
    first, last, started, ended = read_progress(progress) or (None, 0, began, began)
    output = log.read_text(errors="replace")
    return Life(code, seconds, first, last, started - began, ended - started, output)
