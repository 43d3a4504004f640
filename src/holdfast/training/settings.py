"""What the jobs of a run share, and what they tell of themselves."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from holdfast.rundir import JobName, Position

_log = logging.getLogger("holdfast")


@dataclass(frozen=True)
class Progress:
    """Where a job stands, for whoever shows it."""

    job: JobName
    position: Position
    epochs: int
    steps: int
    means: dict[str, float]
    """Running means of the epoch in progress."""
    samples: int
    """Samples trained on since this process took the job up."""
    fraction: float
    """Share of the job's epochs that is done."""
    measured: dict[str, float]
    """What the epoch that has just ended was measured at; empty inside an epoch."""


@dataclass
class RunSettings:
    """What the jobs of a run share."""

    seed: int = 42
    keep_latest: int = 3
    overhead: float = 0.01
    """The share of the training time that checkpoints may cost; they come as often as it allows."""
    save_interval: float | None = None
    """Seconds between checkpoints inside an epoch, where not the overhead is to decide."""
    on_progress: Callable[[Progress], None] | None = None
    on_notice: Callable[[str], None] = _log.warning
    """Told what a person should know: damage, a stop."""
    show_interval: float = 0.1
    """Seconds between two calls of ``on_progress``."""
