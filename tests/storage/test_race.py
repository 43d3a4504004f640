"""Two processes that start together: one gets the directory, the other is told which."""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROUNDS = 50
RACE = """
import os, sys
from pathlib import Path
from holdfast.errors import DirectoryInUseError
from holdfast.storage import DirectoryLock

def racer(path, start, done):
    os.read(start, 1)  # both wait for the same shot
    lock = DirectoryLock(path)
    try:
        lock.acquire()
    except DirectoryInUseError as refused:
        os.write(1, f"{os.getpid()} refused {refused}\\n".encode())  # in one piece
    else:
        os.write(1, f"{os.getpid()} holds it\\n".encode())
        os.read(done, 1)  # until the other has been told
    os._exit(0)

path = Path(sys.argv[1])
for _ in range(ROUNDS):
    start, shot = os.pipe()
    done, over = os.pipe()
    pids = []
    for _ in range(2):
        pid = os.fork()
        if pid == 0:
            os.close(over)
            racer(path, start, done)
        pids.append(pid)
    os.close(start), os.close(done)
    os.write(shot, b"xx")
    loser, _ = os.wait()
    os.close(over)
    os.wait()
    os.close(shot)
"""


def test_of_two_started_together_one_writes(tmp_path: Path) -> None:
    """Fifty times: exactly one holds the lock, and the other names it: pid, host, since when."""
    if not hasattr(os, "fork"):
        pytest.skip("no fork here")
    script = RACE.replace("ROUNDS", str(ROUNDS))
    command = [sys.executable, "-c", script, str(tmp_path / "run" / ".lock")]
    told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    lines = told.stdout.splitlines()
    assert len(lines) == 2 * ROUNDS, told.stdout + told.stderr
    for first, second in zip(lines[::2], lines[1::2], strict=True):
        holds, refused = sorted([first, second], key=lambda line: "holds it" not in line)
        pid = re.fullmatch(r"(\d+) holds it", holds)
        assert pid, (holds, refused)
        assert f"by process {pid[1]} on {socket.gethostname()}, since 20" in refused
