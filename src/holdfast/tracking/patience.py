"""How long the end of a command waits for other tools, as the environment has it."""

import os

from holdfast.errors import UsageError

TRACK, NOTIFY = "HOLDFAST_TRACK_PATIENCE", "HOLDFAST_NOTIFY_PATIENCE"
_USUAL = {TRACK: 20.0, NOTIFY: 30.0}


def patience(name: str) -> float:
    """Return the seconds that an environment variable says, or else the usual ones.

    Raises:
        UsageError: it says no number of seconds.
    """
    text = os.environ.get(name) or str(_USUAL[name])
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0.0 <= seconds < 1e6:
        raise UsageError(f"{name}={text}: give a number of seconds, such as {_USUAL[name]:g}")
    return seconds
