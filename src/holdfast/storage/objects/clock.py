"""The clock that leases are judged by: it never jumps, and goes on while a machine sleeps."""

import time


def now() -> float:
    """Return seconds since some moment; comparable within one process only."""
    if hasattr(time, "CLOCK_BOOTTIME"):  # Linux, whose monotonic clock sleeps with the machine
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()
