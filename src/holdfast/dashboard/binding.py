"""Where to listen, and by which names that may be called."""

import errno
import ipaddress
import secrets
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from holdfast.errors import UsageError

_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
SHORTEST_TOKEN = 16
"""Characters; what can be guessed protects nobody."""


@dataclass(frozen=True)
class Bound:
    """A socket that listens, and who may open it in which way."""

    socket: socket.socket
    hosts: frozenset[str]
    token: str | None
    any_address: bool
    url: str
    """What a person opens; with the token, where one is needed."""


def bind(host: str, port: int, token: str | None, allowed: Sequence[str]) -> Bound:
    """Listen on an address; where others than this machine's users reach it, a token is needed.

    Raises:
        UsageError: it cannot be listened on, or the token is too short.
    """
    if token is not None and len(token) < SHORTEST_TOKEN:
        raise UsageError(f"--token: {len(token)} characters; use at least {SHORTEST_TOKEN}")
    listening = _listening(host, port)
    address = ipaddress.ip_address(str(listening.getsockname()[0]).partition("%")[0])
    if token is None and not address.is_loopback:
        token = secrets.token_urlsafe(24)
    hosts = {*_LOCAL, host.lower(), str(address), *(name.lower() for name in allowed)}
    shown = socket.gethostname() if address.is_unspecified else host
    if address.is_unspecified:
        hosts = (hosts | {shown.lower()}) - {"0.0.0.0", "::"}
    at = f"[{shown}]" if ":" in shown else shown
    url = f"http://{at}:{listening.getsockname()[1]}/"
    return Bound(
        listening, frozenset(hosts), token, address.is_unspecified,
        url + (f"?token={token}" if token else ""),
    )  # fmt: skip


def _listening(host: str, port: int) -> socket.socket:
    what = f"--host {host} --port {port}"
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = found[0]
        listening = socket.create_server(address[:2], family=family, backlog=512)
    except (OSError, OverflowError, UnicodeError) as error:
        raise UsageError(f"{what}: {_reason(error)}") from None
    listening.set_inheritable(False)
    return listening


def _reason(error: Exception) -> str:
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.EADDRINUSE:
        return "the port is in use; choose another --port, or 0 for any that is free"
    if number == errno.EACCES:
        return "not allowed; choose a --port from 1024 on"
    if number == errno.EADDRNOTAVAIL:
        return "this machine has no such address; choose another --host"
    return f"cannot be listened on: {getattr(error, 'strerror', None) or error}"
