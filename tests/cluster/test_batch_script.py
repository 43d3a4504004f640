"""The batch script for Slurm, run by bash, on two Rays of this machine."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.cluster.nodes import send, wait_for
from tests.cluster.series import ClusterSeries, Driver
from tests.cluster.test_on_ray import trains

SCRIPT = Path(__file__).parents[2] / "examples" / "cluster" / "series.sbatch"
SRUN = '#!/bin/bash\nuntil [ "$1" = ray ]; do shift; done\nexec "$@"\n'  # here, not elsewhere
SCONTROL = '#!/bin/bash\necho "$@" >> "$HOME/scontrol"\n'


@pytest.fixture
def home() -> Iterator[Path]:
    """A home with the two commands of Slurm in it; what still runs in it at the end is killed."""
    with tempfile.TemporaryDirectory(prefix="hf") as name:  # Ray's sockets want a short name
        for command, text in {"srun": SRUN, "scontrol": SCONTROL}.items():
            (Path(name) / command).write_text(text)
            (Path(name) / command).chmod(0o755)
        try:
            yield Path(name)
        finally:
            for pid in at_home(name):
                send(pid, signal.SIGKILL)
            wait_for(lambda: not at_home(name))


def at_home(home: str) -> list[int]:
    """Return the processes that have this home: Ray's belong to nobody any more."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):  # it has ended, or is another user's
            if f"HOME={home}".encode() in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
    return found


def test_warning_saves_and_asks_for_the_next_turn(
    series: ClusterSeries, home: Path, tmp_path: Path
) -> None:
    """Slurm's USR1: each job in training saves, the script ends with 143 and is requeued."""
    python = Path(sys.executable).parent
    slurm = {"SLURM_JOB_ID": str(os.getpid()), "SLURM_NNODES": "2", "SLURM_CPUS_PER_TASK": "1"}
    path = {"PATH": f"{home}:{python}:{os.environ['PATH']}", "HOME": str(home)}
    options = ["--config", str(series.home / "series.toml"), "--data", str(series.data)]
    child = subprocess.Popen(
        ["bash", str(SCRIPT), *options, "--checkpoint-dir", str(tmp_path / "run")],
        env={**os.environ, **slurm, **path, "RAY_TMPDIR": str(home), "PYTHONWARNINGS": "ignore"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    script = Driver(child, tmp_path / "run")
    wait_for(lambda: trains(script), 120)
    child.send_signal(signal.SIGUSR1)
    child.wait(120)
    assert child.returncode == 143
    assert (home / "scontrol").read_text() == f"requeue {os.getpid()}\n"
    stopped = {record["job"] for record in script.journal("job_interrupted")}
    done = {record["job"] for record in script.journal("job_completed")}
    assert stopped == {record["job"] for record in script.journal("job_started")} - done
    assert stopped
