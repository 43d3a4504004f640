"""How long a run on object storage waits for what; the environment may say otherwise."""

import os

from holdfast.errors import UsageError

LEASE_SECONDS = "HOLDFAST_LEASE_SECONDS"
PATIENCE = "HOLDFAST_STORE_PATIENCE"


def lease_seconds() -> float:
    """Return for how long a lease is good without a renewal."""
    return _seconds(LEASE_SECONDS, 30.0)


def patience() -> float:
    """Return how long a start, and the end of a command, wait for a store that stays away."""
    return _seconds(PATIENCE, 60.0)


def _seconds(name: str, usual: float) -> float:
    text = os.environ.get(name) or str(usual)
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.0 < seconds < 1e6:
        raise UsageError(f"{name}={text}: give a number of seconds, such as {usual:g}")
    return seconds
