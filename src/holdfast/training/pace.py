"""How often to save: as often as a share of the time pays for."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_WEIGHT = 0.3  # of the newest figure in a running mean: disks have moods
_MOST = 4.0  # times the computing of a save that it may have slowed the steps: the rest is others'


@dataclass
class Pace:
    """Decides when the next checkpoint inside an epoch is due.

    Time earns credit, each checkpoint spends it, those at the ends of epochs as well; one inside
    an epoch is made as soon as it is paid for.

    Args:
        overhead: the share of the time that saving may cost.
        fixed: seconds between checkpoints, where somebody has chosen them.
    """

    overhead: float
    fixed: float | None = None
    cost: float | None = None
    """Seconds that a checkpoint takes from the training, lately."""
    total: float = 0.0
    """Seconds that saving has cost so far."""
    saves: int = 0
    _credit: float = 0.0
    _counted_at: float = field(default_factory=time.monotonic)
    _saved_at: float = field(default_factory=time.monotonic)
    _stepped_at: float | None = None
    _quiet: float | None = None  # what a step takes while nothing is written
    _slowed: float = 0.0  # by how much longer those took beside which this one is written

    @property
    def interval(self) -> float:
        """Seconds from one checkpoint inside an epoch to the next."""
        if self.fixed is not None:
            return self.fixed
        return 0.0 if self.cost is None else self.cost / self.overhead

    def is_due(self) -> bool:
        """Tell whether it is time for one inside an epoch."""
        now = time.monotonic()
        if self.fixed is not None:
            return now - self._saved_at >= self.fixed
        if self.cost is None:
            return True
        earned = self._credit + self.overhead * (now - self._counted_at)
        self._credit, self._counted_at = min(earned, self.cost), now  # idle time earns no burst
        return self._credit >= self.cost

    def stepped(self, *, writing: bool) -> None:
        """Note the end of a step, and whether a checkpoint was being written beside it.

        A writer takes processor time also where its thread does not: in the kernel, and from
        threads of a step that wait for each other.
        """
        now = time.monotonic()
        if self._stepped_at is not None:
            took = now - self._stepped_at
            if not writing:
                self._quiet = took if self._quiet is None else _mean(self._quiet, took)
            elif self._quiet is not None:
                self._slowed += took - self._quiet
        self._stepped_at = now

    def pause(self) -> None:
        """What comes until the next step is no step."""
        self._stepped_at = None

    def resume(self, said: Mapping[str, Any]) -> None:
        """Go on counting from what a checkpoint says that saving had cost, and costs each time."""
        self.total, self.saves = said.get("seconds", 0.0), said.get("saves", 0)
        self.cost = said.get("interval", 0.0) * self.overhead or None

    def begun(self) -> None:
        """Count the time to the next from now."""
        self._saved_at, self._slowed = time.monotonic(), 0.0

    def paid(self, seconds: float, *, usual: bool = True) -> None:
        """Note what a checkpoint has cost; one that had to be waited for is not the ``usual``."""
        spent = max(seconds, min(self._slowed, _MOST * seconds))
        self.total += spent
        self.saves += 1
        if self.cost is None:
            self.cost = spent
            return
        if usual:
            self.cost = _mean(self.cost, spent)
        self._credit = max(self._credit - spent, -self.cost)


def _mean(mean: float, newest: float) -> float:
    return mean + _WEIGHT * (newest - mean)
