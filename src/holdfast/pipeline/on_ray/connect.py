"""Finding the Ray to train on, or starting one."""

import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import ray

from holdfast.errors import UsageError

_PATIENCE = 5.0  # seconds for an address to answer; Ray itself would try for minutes


def connect(address: str | None) -> None:
    """Connect this process to Ray: ``auto`` is the one that runs here, ``local`` one of its own.

    Without an address it is the one that runs here, or else one of its own, which ends with this
    process.

    Raises:
        UsageError: there is none at that address.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anybody
    try:
        if address not in (None, "auto", "local"):
            _knock(str(address))
        with _own_sigterm():
            ray.init(
                address,
                include_dashboard=False,
                log_to_driver=False,  # what workers have to say comes by the mailbox
                logging_level=logging.ERROR,
            )
    except (ConnectionError, OSError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split()).partition(". ")[0][:120]
        raise UsageError(
            f"--ray-address {address}: no Ray can be reached there ({reason}); start one with `ray "
            "start --head`, or leave the option out"
        ) from error


@contextmanager
def _own_sigterm() -> Iterator[None]:
    """Let SIGTERM do after the block what it did before: Ray's core makes it end the process."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, before)


def _knock(address: str) -> None:
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit():
        raise ValueError("it is not of the form HOST:PORT")
    socket.create_connection((host.strip("[]"), int(port)), timeout=_PATIENCE).close()
