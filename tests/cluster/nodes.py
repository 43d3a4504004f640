"""Several nodes of Ray on this machine, each with processes of its own that can be killed.

``python -m tests.cluster.nodes`` starts them and obeys its standard input, so that nothing of Ray
runs in the process of the tests.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

LOOPBACK = "127.0.0.2"  # Ray puts the address of the machine for 127.0.0.1
ROOT = Path(__file__).parents[2]
_HEALTH = {"health_check_period_ms": 300, "health_check_failure_threshold": 3}
_HEALTH |= {"health_check_timeout_ms": 300, "health_check_initial_delay_ms": 0}


def serve() -> None:
    """Start a head node without CPUs; add one with CPUs for each line that asks for it."""
    from ray.cluster_utils import Cluster

    cluster = Cluster()
    loopback = {"node_ip_address": LOOPBACK, "include_dashboard": False}
    cluster.add_node(num_cpus=0, _system_config=_HEALTH, **loopback)
    print(json.dumps({"address": cluster.address}), flush=True)
    for line in sys.stdin:
        node = cluster.add_node(**json.loads(line), **loopback)
        pid = node.all_processes["raylet"][0].process.pid
        print(json.dumps({"raylet": pid}), flush=True)
    cluster.shutdown()


class Nodes:
    """A cluster for one test, or for several."""

    def __init__(self) -> None:
        self.raylets: list[int] = []
        """The process of each node that was added; its workers are that one's children."""

    def __enter__(self) -> Self:
        env = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "PYTHONWARNINGS": "ignore"}
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.cluster.nodes"],
            cwd=ROOT,
            env=env,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self.address: str = self._answer()["address"]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for pid in self.raylets:  # one that is stopped would not end
            send(pid, signal.SIGCONT)
        self._server.communicate(timeout=60)

    def add(self, cpus: int = 1, **env: str) -> int:
        """Add a node whose workers have these variables too; return the process that is it."""
        assert self._server.stdin is not None
        print(json.dumps({"num_cpus": cpus, "env_vars": env}), file=self._server.stdin, flush=True)
        self.raylets.append(self._answer()["raylet"])
        return self.raylets[-1]

    def kill(self, raylet: int) -> None:
        """Let a node die, with all that runs on it."""
        workers = children(raylet)
        for pid in (raylet, *workers):
            send(pid, signal.SIGKILL)
        self.raylets.remove(raylet)

    def trainers(self) -> list[int]:
        """Return the workers that have a job in training at this moment."""
        workers = [pid for raylet in self.raylets for pid in children(raylet)]
        return [pid for pid in workers if "train_job" in _title(pid)]

    def _answer(self) -> dict[str, Any]:
        assert self._server.stdout is not None
        answer: dict[str, Any] = json.loads(self._server.stdout.readline())
        return answer


def send(pid: int, number: int) -> None:
    """Send a signal to a process that may have ended."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def children(pid: int) -> list[int]:
    """Return the processes that a process has started and that still run."""
    command = ["ps", "-o", "pid=", "--ppid", str(pid)]
    listed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return [int(word) for word in listed.split()]


def _title(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def wait_for(happened: Callable[[], Any], seconds: float = 60.0) -> Any:
    """Return the first true answer; AssertionError where none comes."""
    end = time.monotonic() + seconds
    while not (answer := happened()):
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)
    return answer


if __name__ == "__main__":
    serve()
