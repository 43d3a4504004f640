"""Real S3 servers on loopback: moto keeps to the conditions of writes, rclone does not."""

import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

BUCKET = "bucket"
KEYS = ("sixteen-letters-", "sixteen-letters-")  # rclone wants so many
_START = 20.0


@dataclass(frozen=True)
class Server:
    """One server, with one bucket."""

    port: int

    @property
    def endpoint(self) -> str:
        """What AWS_ENDPOINT_URL is to be."""
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def moto_server() -> Iterator[Server]:
    """Start moto's server in a process of its own."""
    server = Server(free_port())
    command = [_tool("moto_server"), "-H", "127.0.0.1", "-p", str(server.port)]
    with _running(command, server):
        request = urllib.request.Request(f"{server.endpoint}/{BUCKET}", method="PUT")
        urllib.request.urlopen(request, timeout=10).close()
        yield server


@contextmanager
def rclone_server(root: Path) -> Iterator[Server]:
    """Start rclone's, over a folder."""
    server = Server(free_port())
    (root / BUCKET).mkdir(parents=True)
    address = f"127.0.0.1:{server.port}"
    command = [_tool("rclone"), "serve", "s3", "--addr", address, "--auth-key", ",".join(KEYS)]
    with _running([*command, "--vfs-cache-mode", "off", str(root)], server):
        yield server


def environment(endpoint: str, scratch: Path) -> dict[str, str]:
    """Return what lets a process use a server."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": KEYS[0],
        "AWS_SECRET_ACCESS_KEY": KEYS[1],
        "AWS_REGION": "us-east-1",
        "HOLDFAST_SCRATCH": str(scratch),
        "HOLDFAST_LEASE_SECONDS": "3",
        "HOLDFAST_STORE_PATIENCE": "3",
    }


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port: int = server.getsockname()[1]
        return port


def _tool(name: str) -> str:
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


@contextmanager
def _running(command: Sequence[str], server: Server) -> Iterator[None]:
    silent = subprocess.DEVNULL
    child = subprocess.Popen(command, stdin=silent, stdout=silent, stderr=silent)
    try:
        _await(server, child)
        yield
    finally:
        child.kill()
        child.wait()


def _await(server: Server, child: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + _START
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", server.port), 1.0).close()
        except OSError:
            if child.poll() is not None:
                break
            time.sleep(0.05)
        else:
            return
    pytest.skip(f"{child.args!r} did not start")
