"""A watch beside the training: it tells when there was no step for much longer than usual."""

import statistics
import threading
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Self

FLOOR = 15 * 60.0
"""Seconds that never count as a stall, unless the setting says so."""

_TIMES = 20  # the usual time from one sign of life to the next
_LATELY = 101  # signs of life that say what is usual
_AT_ONCE = 0.001  # seconds between two signs of the same thing
_LOOKS = 20  # in the time that counts as a stall


class StallWatch:
    """Tells ``on_stall`` once when no sign of life has come for ``after`` seconds.

    Without ``after`` that is 20 times the usual time between two, and twice the longest that has
    passed so far, but at least 15 minutes. A time in which the whole process stood still, such as
    a machine that slept, does not count. ``on_moving`` hears of the first sign after a stall.
    """

    def __init__(
        self,
        after: float | None,
        on_stall: Callable[[float], None],
        on_moving: Callable[[float], None],
    ) -> None:
        self._after, self._on_stall, self._on_moving = after, on_stall, on_moving
        self._gaps: deque[float] = deque(maxlen=_LATELY)
        self._longest = 0.0
        self._last: float | None = None
        self._idle = 0.0
        self._told = False
        self._lock, self._over = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._work, name="stall watch", daemon=True)

    @property
    def bound(self) -> float:
        """Seconds without a sign of life that are a stall by now."""
        if self._after is not None:
            return self._after
        gaps = list(self._gaps)
        usual = statistics.median(gaps) if gaps else 0.0
        return max(FLOOR, _TIMES * usual, 2 * self._longest)

    def alive(self) -> None:
        """Give a sign of life: a step, an image decoded, a batch evaluated."""
        now = time.monotonic()
        with self._lock:
            if self._last is not None and (gap := now - self._last) > _AT_ONCE:
                self._gaps.append(gap)
                self._longest = max(self._longest, self._idle)
            stood, told = self._idle, self._told
            self._last, self._idle, self._told = now, 0.0, False
        if told:
            self._on_moving(stood)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    def _work(self) -> None:
        before = time.monotonic()
        while not self._over.wait(pause := min(self.bound / _LOOKS, 10.0)):
            now = time.monotonic()
            with self._lock:
                self._idle += min(now - before, 2 * pause)
                stalled = self._idle >= self.bound and not self._told
                self._told |= stalled
                idle = self._idle
            before = now
            if stalled:
                self._on_stall(idle)
