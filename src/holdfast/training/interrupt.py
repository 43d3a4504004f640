"""A polite stop: the signal sets a flag, the loop asks for it where the state is whole."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from holdfast.errors import STOP_SIGNALS, Interrupted

_ONE_REQUEST = 1.0
"""Seconds in which further signals are the same request: `timeout`, Slurm and a supervisor each
pass on what the process also gets by itself."""


class StopRequest:
    """Whether somebody has asked for a stop, and who."""

    def __init__(self, announce: Callable[[int], None] | None = None) -> None:
        self.signal: int | None = None
        self._asked_at = 0.0
        self.announce = announce
        self.ask: Callable[[], None] = lambda: None
        """Called whenever somebody looks whether to stop; what it raises is a reason."""
        self._listening = False

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take the stop signals while the block runs; inside another such block, do nothing.

        A second after the first one, each signal has its old effect again: another Ctrl-C
        ends the process at once, which costs no more than any other crash.
        """
        main = threading.current_thread() is threading.main_thread()
        if self._listening or not main:  # python delivers signals to the main thread only
            yield
            return
        numbers = [getattr(signal, name) for name in STOP_SIGNALS if hasattr(signal, name)]
        before = {number: signal.getsignal(number) for number in numbers}

        def note(number: int, frame: FrameType | None) -> None:
            now = time.monotonic()
            if not self._asked_at:  # what was passed on from elsewhere is the same request
                self.signal, self._asked_at = self.signal or number, now
            elif now - self._asked_at > _ONE_REQUEST:
                for other, handler in before.items():
                    signal.signal(other, handler)
                signal.raise_signal(number)

        self._listening = True
        for number in numbers:
            signal.signal(number, note)
        try:
            yield
        finally:
            self._listening = False
            for number, handler in before.items():
                signal.signal(number, handler)

    def heard(self) -> bool:
        """Tell whether a stop has been asked for; the first time, ``announce`` it.

        Not from the signal handler: that may interrupt somebody who is printing.
        """
        self.ask()
        if self.signal is None:
            return False
        if self.announce is not None:
            self.announce(self.signal)
            self.announce = None
        return True

    def check(self, where: str) -> None:
        """Raise Interrupted if a stop has been asked for."""
        if self.heard() and self.signal is not None:
            raise Interrupted(self.signal, where)
