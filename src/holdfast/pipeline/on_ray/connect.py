"""Finding the Ray to train on, or starting one."""

import logging
import os

import ray

from holdfast.errors import UsageError


def connect(address: str | None) -> None:
    """Connect this process to Ray: ``auto``, ``local``, HOST:PORT; or the one that runs here.

    Without an address, and where no Ray runs, one of this machine's own is started, and ends with
    this process.

    Raises:
        UsageError: there is none at that address.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anybody
    try:
        ray.init(
            address,
            include_dashboard=False,
            log_to_driver=False,  # what workers have to say comes by the mailbox
            logging_level=logging.ERROR,
        )
    except (ConnectionError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UsageError(
            f"--ray-address {address or 'auto'}: no Ray can be reached there ({reason}); start one "
            "with `ray start --head`, or leave the option out"
        ) from error
