"""What trains the pending jobs of a series: an engine, chosen by ``--engine``."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self

from holdfast.config import RunConfig
from holdfast.pipeline.display import Display
from holdfast.pipeline.material import Material
from holdfast.rundir import JobName
from holdfast.training import Run, StopRequest


@dataclass(frozen=True)
class Series:
    """What an engine is given: the run, and what is to be trained in it."""

    run: Run
    config: RunConfig
    material: Material
    display: Display
    stop: StopRequest
    work: Mapping[JobName, float]
    """What is left to do of each pending job, in the order of the series."""


class Engine(Protocol):
    """Trains jobs by `run_job`, wherever that may be, and tells the run's ledger and display."""

    def describe_machine(self, recorded: Mapping[str, Any], stop: StopRequest) -> dict[str, Any]:
        """Return what the jobs compute on; what is ``recorded`` of an earlier start goes first.

        Raises:
            ConfigError: what was asked for is not there.
        """

    def train(self, series: Series) -> None:
        """Train each pending job; one that fails is recorded, told and stepped over.

        Raises:
            Interrupted: a signal asked for a stop; everything is saved.
            StorageError: the disk refused.
        """

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...
