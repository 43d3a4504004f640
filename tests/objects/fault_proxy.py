"""A proxy between obstore and a server that does to requests what networks and servers do."""

import random
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from tests.objects.servers import Server


@dataclass(frozen=True)
class Request:
    """One request, read whole."""

    method: str
    path: str
    head: bytes
    body: bytes


@dataclass(frozen=True)
class Fault:
    """What becomes of a request."""

    status: int = 0
    """Answer this instead of asking the server."""
    drop: bool = False
    """Reset the connection, unasked."""
    forget: bool = False
    """Let the server carry it out, and drop its answer."""
    delay: float = 0.0
    """Seconds before it goes on."""
    cut: int | None = None
    """Send the server so many bytes of the body and then nothing more."""
    cut_answer: int | None = None
    """Pass so many bytes of the answer on and then nothing more."""
    flip: bool = False
    """Change one bit of the body."""
    flip_answer: bool = False
    """Change one bit of the answer's last byte."""


FINE = Fault()
Choice = Callable[[Request], Fault]


@dataclass
class FaultProxy:
    """Listens on ``port``; `choose` says what becomes of each request, and may be replaced."""

    server: Server
    port: int = 0
    choose: Choice = lambda request: FINE
    seen: list[tuple[str, str]] = field(default_factory=list)
    """Method and path of each request that the server got."""

    @property
    def endpoint(self) -> str:
        """What AWS_ENDPOINT_URL is to be."""
        return f"http://127.0.0.1:{self.port}"

    def always(self, **fault: float) -> None:
        """Let every request suffer the same."""
        self.choose = lambda request: Fault(**fault)  # type: ignore[arg-type]

    def sometimes(self, share: float, seed: int, *faults: Fault) -> None:
        """Let a share of the requests suffer one of these."""
        chance = random.Random(seed)
        self.choose = lambda _: chance.choice(faults) if chance.random() < share else FINE

    def heal(self) -> None:
        """Let everything through from here on."""
        self.choose = lambda request: FINE

    def serve(self, client: socket.socket) -> None:
        """Answer one connection, which ends with its answer."""
        with client, suppress(OSError, ValueError):
            client.settimeout(30.0)
            request = _read(client)
            fault = self.choose(request)
            time.sleep(fault.delay)
            if fault.drop:
                _reset(client)
            elif fault.status:
                client.sendall(_answer(fault.status))
            else:
                self._pass_on(client, request, fault)

    def _pass_on(self, client: socket.socket, request: Request, fault: Fault) -> None:
        body = request.body
        if fault.flip and body:
            body = body[:-1] + bytes([body[-1] ^ 1])
        with socket.create_connection(("127.0.0.1", self.server.port), 10.0) as server:
            server.sendall(request.head + body[: fault.cut])
            if fault.cut is not None:
                _reset(client)
                return
            self.seen.append((request.method, request.path))
            if fault.flip_answer:
                answer = _all_of(server)
                client.sendall(answer[:-1] + bytes([answer[-1] ^ 1]))
                return
            passed = 0
            while data := server.recv(1 << 16):
                if fault.forget:
                    continue
                left = None if fault.cut_answer is None else max(fault.cut_answer - passed, 0)
                client.sendall(data[:left])
                passed += len(data)
                if left is not None and left < len(data):
                    break
        if fault.forget or fault.cut_answer is not None:
            _reset(client)


@contextmanager
def fault_proxy(server: Server) -> Iterator[FaultProxy]:
    """Put a proxy in front of a server."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        proxy = FaultProxy(server, listener.getsockname()[1])
        thread = threading.Thread(target=_accept, args=(listener, proxy), daemon=True)
        thread.start()
        yield proxy
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def _accept(listener: socket.socket, proxy: FaultProxy) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=proxy.serve, args=(client,), daemon=True).start()


def _read(client: socket.socket) -> Request:
    data = b""
    while b"\r\n\r\n" not in data:
        data += _some(client)
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    headers = {k.strip().lower(): v.strip() for k, _, v in (n.partition(b":") for n in lines)}
    parts = [body]
    missing = int(headers.get(b"content-length", b"0")) - len(body)
    while missing > 0:
        parts.append(_some(client))
        missing -= len(parts[-1])
    kept = [line for line in lines if not line.lower().startswith((b"connection:", b"expect:"))]
    again = b"\r\n".join([first, *kept, b"Connection: close"]) + b"\r\n\r\n"
    method, path, _ = first.decode().split(" ", 2)
    return Request(method, path, again, b"".join(parts))


def _some(client: socket.socket) -> bytes:
    data = client.recv(1 << 16)
    if not data:
        raise ValueError("the client has gone")
    return data


def _all_of(server: socket.socket) -> bytes:
    data = b""
    while piece := server.recv(1 << 16):
        data += piece
    return data


def _answer(status: int) -> bytes:
    code = {503: "SlowDown", 429: "TooManyRequests", 403: "ExpiredToken"}.get(status, "Odd")
    body = f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()
    head = f"HTTP/1.1 {status} {code}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return head.encode() + body


def _reset(client: socket.socket) -> None:
    """Close with a reset, as a router that forgets does."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
