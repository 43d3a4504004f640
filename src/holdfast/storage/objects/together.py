"""Requests side by side, and requests that are worth waiting for."""

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from holdfast.storage.objects.clock import now
from holdfast.storage.objects.store import AwayError
from holdfast.storage.objects.waits import patience

_AT_ONCE = 16
_FIRST_WAIT, _LONGEST_WAIT = 0.2, 5.0

Got = TypeVar("Got")


def together(jobs: Iterable[Callable[[], None]]) -> None:
    """Do all of this, some at a time; the first fault ends it, and is raised."""
    pool = ThreadPoolExecutor(_AT_ONCE)
    try:
        for future in [pool.submit(job) for job in jobs]:
            future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def patiently(act: Callable[[], Got], on_notice: Callable[[str], None]) -> Got:
    """Do what a start cannot do without, again for a while if the store does not answer.

    Raises:
        AwayError: it has stayed away.
    """
    until, wait, told = now() + patience(), _FIRST_WAIT, False
    while True:
        try:
            return act()
        except AwayError as error:
            if now() > until:
                raise
            if not told:
                on_notice(f"{error}; waiting for it, {patience():.0f} s at most")
                told = True
            time.sleep(wait)
            wait = min(2 * wait, _LONGEST_WAIT)
