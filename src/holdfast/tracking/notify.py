"""Telling people by Apprise; what is sent waits in a thread, and no address is ever shown."""

import logging
import os
import queue
import re
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from holdfast.errors import UsageError
from holdfast.tracking.patience import NOTIFY as PATIENCE
from holdfast.tracking.patience import patience

NOTIFY = "HOLDFAST_NOTIFY"
"""Addresses, with white space between them; for who shows his command to others."""

_WAITS = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
_BETWEEN = r"[/:@?&=#,;]+"  # the parts of an address
_GRACE = 10.0  # for a request under way: Apprise itself gives up after some 8 seconds


def addresses(given: Sequence[str], from_file: Sequence[str]) -> list[str]:
    """Return whom to tell: as given by options, or else the environment, or else the file."""
    return list(given) or os.environ.get(NOTIFY, "").split() or list(from_file)


class Notifier:
    """Sends messages to all addresses, each tried again for a bounded time.

    Raises:
        UsageError: Apprise is not installed, or knows no such kind of address.
    """

    def __init__(self, addresses: Sequence[str], on_notice: Callable[[str], None]) -> None:
        self._on_notice = on_notice
        self._patience = patience(PATIENCE)
        numbered = enumerate(addresses, 1)
        self._targets = {_Target(_name(n, a), a, _open(n, a)): "" for n, a in numbered}
        self._messages: queue.SimpleQueue[tuple[str, str] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="notify", daemon=True)
        if self._targets:
            self._thread.start()

    @property
    def has_addresses(self) -> bool:
        """Whether anybody is to be told anything."""
        return bool(self._targets)

    def tell(self, title: str, body: str) -> None:
        """Let a message be sent; does not wait."""
        self._messages.put((title, body))

    def close(self) -> None:
        """Wait until all is sent, or given up."""
        self._messages.put(None)
        if self._targets:
            self._thread.join(self._patience + _GRACE)
            if self._thread.is_alive():
                self._on_notice("notify: a message is still under way; it is not waited for")

    def _work(self) -> None:
        while (message := self._messages.get()) is not None:
            end = time.monotonic() + self._patience
            left = dict(self._targets)
            for wait in _WAITS:
                left = {t: why for t in left if (why := t.send(*message)) is not None}
                if not left or time.monotonic() + wait > end:
                    break
                time.sleep(wait)
            for target, why in left.items():
                self._on_notice(f"notify {target.name}: could not tell {message[0]!r}{why}")


@dataclass(frozen=True, eq=False)
class _Target:
    """One address, and what sends to it."""

    name: str
    address: str = field(repr=False)
    client: Any = field(repr=False)

    def send(self, title: str, body: str) -> str | None:
        """Return None where that went well, else what Apprise says, without the address."""
        import apprise

        capture: Any = apprise.LogCapture  # untyped
        with capture(level=logging.WARNING, fmt="%(message)s") as said:
            if self.client.notify(title=title, body=body):
                return None
            line = " ".join(said.getvalue().split())[:200]
        return f": {without_address(line, self.address)}" if line else ""


def _name(number: int, address: str) -> str:
    return f"{number} ({address.partition('://')[0]})"


def _open(number: int, address: str) -> Any:
    try:
        import apprise
    except ModuleNotFoundError as error:
        if error.name != "apprise":
            raise
        raise UsageError("--notify needs Apprise: pip install 'holdfast[notify]'") from None
    log = logging.getLogger("apprise")
    log.propagate = False  # it quotes addresses
    if not log.handlers:
        log.addHandler(logging.NullHandler())
    client = apprise.Apprise()
    if not client.add(address):
        raise UsageError(
            f"--notify: address {_name(number, address)} is none that Apprise can use; see "
            "https://github.com/caronc/apprise/wiki"
        )
    return client


def without_address(line: str, address: str) -> str:
    """Return a line without any part of an address but its scheme."""
    scheme, _, rest = address.partition("://")
    parts = {*re.split(_BETWEEN, rest), *re.split(_BETWEEN, unquote(rest))}
    for part in sorted(parts, key=len, reverse=True):
        if len(part) > 2 and part.lower() != scheme.lower():
            line = line.replace(part, "…")
    return line
