"""The command itself: how it starts and ends, what it loads, what it leaves on the disk."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from holdfast.dashboard.binding import bind
from tests.crash.simulated import read_files
from tests.dashboard.served import PAGES, Served, command, served

WITHOUT_TORCH = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {refused!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Refuse())
sys.argv = {argv!r}
from holdfast.__main__ import main
main()
"""


def run(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        arguments, capture_output=True, text=True, timeout=120, check=False, env=os.environ | more
    )


def test_looking_changes_nothing(finished: Path, tmp_path: Path) -> None:
    """Neither in the run nor where the command was given: NiceGUI's own files go elsewhere."""
    before = read_files(finished)
    with served(finished, cwd=tmp_path) as server:
        for path in (*PAGES, "/job/CustomRegNet"):
            assert server.ask(path).status in (200, 307)
    assert read_files(finished) == before
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_end_it_with_one_line(number: int, code: int, finished: Path) -> None:
    """Also while pages are open; the exit code says which signal it was."""
    with subprocess.Popen(
        command(finished), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        url = child.stdout.readline().split(" at ")[1].split()[0]
        with socket.create_connection(("127.0.0.1", int(url.split(":")[2].strip("/")))):
            child.send_signal(number)
            told = child.communicate(timeout=60)[1]
    assert (child.returncode, told) == (code, "Stopped serving; the run is as it was.\n")


def test_a_port_in_use_is_one_line(finished: Path) -> None:
    """Exit code 2, what is in the way, and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        refused = run(*command(finished, "--port", port))
    assert refused.returncode == 2
    assert refused.stderr == (
        f"holdfast: --host 127.0.0.1 --port {port}: the port is in use; choose another --port, or "
        "0 for any that is free\n"
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--host", "192.0.2.1"), "this machine has no such address"),
        (("--host", "no.such.host.invalid"), "cannot be listened on"),
        (("--token", "short"), "--token: 5 characters; use at least 16"),
        (("--checkpoint-dir", "/nowhere/run"), "no such directory"),
    ],
)
def test_what_cannot_be_served_is_one_line(
    options: tuple[str, ...], said: str, finished: Path
) -> None:
    """Exit code 2 and no traceback."""
    refused = run(*command(finished, *options))
    assert refused.returncode == 2
    assert said in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_a_missing_extra_is_one_line(finished: Path) -> None:
    """Who has not NiceGUI learns what to install."""
    hidden = "import importlib.util as u; u.find_spec = lambda name: None\n"
    argv = ["holdfast", *command(finished)[3:]]
    script = hidden + WITHOUT_TORCH.format(refused=("nicegui",), argv=argv)
    refused = run(sys.executable, "-c", script)
    assert (refused.returncode, refused.stderr) == (
        2,
        "holdfast: holdfast serve needs NiceGUI: pip install 'holdfast[dashboard]'\n",
    )


def test_it_serves_where_no_torch_is(finished: Path) -> None:
    """Neither torch nor what is built on it is needed for any page."""
    argv = ["holdfast", *command(finished)[3:]]
    heavy = ("torch", "kornia", "sklearn", "numpy")
    script = WITHOUT_TORCH.format(refused=heavy, argv=argv)
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        server = Served(child, child.stdout.readline().split(" at ")[1].split()[0])
        for path in ("/", "/job/CustomRegNet", "/compare"):
            answer = server.ask(path)
            assert (answer.status, "CustomRegNet" in answer.text) == (200, True)
        assert server.ask("/recovery").status == 200
        assert server.stop() == 143


@pytest.mark.parametrize(
    ("host", "needs_token", "known", "unknown"),
    [
        ("127.0.0.1", False, "localhost", socket.gethostname()),
        ("localhost", False, "127.0.0.1", "0.0.0.0"),
        ("0.0.0.0", True, socket.gethostname(), "0.0.0.0"),
    ],
)
def test_what_is_listened_on_decides_who_may_call(
    host: str, needs_token: bool, known: str, unknown: str
) -> None:
    """Loopback needs no token; names are those of the address that was bound, and no others."""
    bound = bind(host, 0, None, [])
    with bound.socket:
        assert (bound.token is not None) == needs_token
        assert known.lower() in bound.hosts
        assert unknown.lower() not in bound.hosts
