"""How often to save: as often as a share of the time pays for."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_WEIGHT = 0.3  # of the newest cost in the running mean: disks have moods


@dataclass
class Pace:
    """Decides when the next checkpoint inside an epoch is due.

    Args:
        overhead: the share of the time that saving may cost.
        fixed: seconds between checkpoints, where somebody has chosen them.
    """

    overhead: float
    fixed: float | None = None
    cost: float | None = None
    """Seconds of computing that a checkpoint takes from the training, lately."""
    total: float = 0.0
    """Seconds that saving has cost so far."""
    saves: int = 0
    _saved_at: float = field(default_factory=time.monotonic)

    @property
    def interval(self) -> float:
        """Seconds from one checkpoint inside an epoch to the next."""
        if self.fixed is not None:
            return self.fixed
        return 0.0 if self.cost is None else self.cost / self.overhead

    def is_due(self) -> bool:
        """Tell whether it is time for one inside an epoch."""
        return time.monotonic() - self._saved_at >= self.interval

    def resume(self, said: Mapping[str, Any]) -> None:
        """Go on counting from what a checkpoint says that saving had cost."""
        self.total, self.saves = said.get("seconds", 0.0), said.get("saves", 0)

    def begun(self) -> None:
        """Count the time to the next from now."""
        self._saved_at = time.monotonic()

    def paid(self, seconds: float, *, usual: bool = True) -> None:
        """Note what a checkpoint has cost; one that had to be waited for is not the ``usual``."""
        self.total += seconds
        self.saves += 1
        if self.cost is None:
            self.cost = seconds
        elif usual:
            self.cost += _WEIGHT * (seconds - self.cost)
