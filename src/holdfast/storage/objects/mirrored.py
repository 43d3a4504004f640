"""A scratch directory that a mirror sends to the store."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from holdfast.storage.objects.mirror import Mirror, OnNotice
from holdfast.storage.objects.scratch import Scratch
from holdfast.storage.objects.together import patiently

_log = logging.getLogger("holdfast")

Got = TypeVar("Got")


class Mirrored(Scratch):
    """A scratch directory in which this process writes."""

    on_notice: OnNotice = staticmethod(_log.warning)
    _mirror: Mirror | None = None

    def check(self) -> None:
        """Raise LeaseLostError, or SupersededError, where another process may write now."""
        if self._mirror is not None:
            self._mirror.check()

    def is_safe(self, path: Path) -> bool:
        """Tell whether the store has a file as it is here."""
        return self._mirror is None or self._mirror.is_safe(path)

    def _bring(self, path: Path) -> None:
        def bring() -> None:
            self._patiently(lambda: super(Mirrored, self)._bring(path))

        if self._mirror is None:
            bring()
        else:
            self._mirror.outbox.quietly(bring)

    def _lack(self, path: Path) -> None:
        """Leave it: what is removed here would be removed there, where it may be new again."""

    def _patiently(self, act: Callable[[], Got]) -> Got:
        return patiently(act, self.on_notice)
