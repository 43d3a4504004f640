"""A real `holdfast serve` on loopback, and what a client that is no browser says to it."""

import contextlib
import http.client
import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from websockets.sync.client import ClientConnection, connect

PATIENCE = 60.0
_SOCKET = "/_nicegui_ws/socket.io/"
PAGES = ("/", "/job", "/recovery", "/compare")


@dataclass(frozen=True)
class Answer:
    """What came back for a request."""

    status: int
    headers: Mapping[str, str]
    text: str


@dataclass
class Served:
    """A server in a process of its own."""

    process: subprocess.Popen[str]
    url: str
    """As it was printed."""
    said: list[str] = field(default_factory=list)
    """What it has printed to stderr, once it has ended."""

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(urlsplit(self.url).port or 0)

    def ask(self, path: str, method: str = "GET", **headers: str) -> Answer:
        """Send a request as it stands, without following where it leads."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        with contextlib.closing(connection):
            connection.putrequest(method, path, skip_host="Host" in names)
            for name, value in names.items():
                connection.putheader(name, value)
            connection.endheaders()
            answer = connection.getresponse()
            body = "" if answer.status == 101 else answer.read().decode(errors="replace")
        return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, body)

    @contextmanager
    def open_socket(self, query: str = "", **headers: str) -> Iterator[ClientConnection]:
        """Open the websocket of the pages."""
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        with connect(
            f"ws://127.0.0.1:{self.port}{_SOCKET}?EIO=4&transport=websocket{query}",
            additional_headers={"Origin": f"http://127.0.0.1:{self.port}", **names},
            open_timeout=PATIENCE,
        ) as opened:
            yield opened

    def socket_status(self, **headers: str) -> int:
        """Return how the server answers who wants to open the websocket: 101 is yes."""
        asked = {
            "Origin": f"http://127.0.0.1:{self.port}",
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
            **headers,
        }
        return self.ask(f"{_SOCKET}?EIO=4&transport=websocket", **asked).status

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ask it to end; return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        self.said += self.process.communicate(timeout=PATIENCE)[1].splitlines()
        return self.process.returncode


def command(directory: str | Path, *options: str) -> list[str]:
    """Return the command that serves a run."""
    start = [sys.executable, "-m", "holdfast", "serve", "--checkpoint-dir", str(directory)]
    return [*start, *(() if "--port" in options else ("--port", "0")), *options]


@contextmanager
def served(
    directory: str | Path,
    *options: str,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Served]:
    """Serve a run; in the end it must stop when asked to, and have had no fault of its own."""
    process = subprocess.Popen(
        command(directory, *options),
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    found = re.search(r" at (http://\S+) \(Ctrl-C ends it\)$", line)
    if found is None:
        process.kill()
        raise AssertionError(line + process.communicate()[1])
    server = Served(process, found[1])
    try:
        yield server
    finally:
        code = server.stop()
    assert (code, server.said[-1:]) == (143, ["Stopped serving; the run is as it was."]), (
        server.said
    )
    assert "Traceback" not in "\n".join(server.said), "\n".join(server.said)


def client_of(page: str) -> str:
    """Return the id that a page tells its websocket."""
    found = re.search(r'"client_id": ?"([0-9a-f-]{36})"|\'client_id\': \'([0-9a-f-]{36})\'', page)
    assert found
    return found[1] or found[2]


def shake_hands(socket: ClientConnection) -> None:
    """Do what a page's script does first, until the server takes it for one of its pages."""
    assert str(socket.recv(timeout=PATIENCE)).startswith("0{")
    socket.send("40")
    answer = str(socket.recv(timeout=PATIENCE))
    assert answer.startswith("40{"), answer
    json.loads(answer[2:])
