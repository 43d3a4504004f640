"""The local engine: this process trains one job after the other."""

from collections.abc import Mapping
from functools import partial
from types import TracebackType
from typing import Any, Self

from holdfast.config import RunConfig
from holdfast.pipeline.engine import Series
from holdfast.pipeline.job import attempt, run_job
from holdfast.pipeline.machine import settle
from holdfast.rundir import JobName, Result
from holdfast.training import StopRequest


class LocalEngine:
    """Trains the jobs in this process."""

    def __init__(self, config: RunConfig) -> None:
        self._config = config

    def describe_machine(self, recorded: Mapping[str, Any], stop: StopRequest) -> dict[str, Any]:
        """Settle what this process computes on, and return it."""
        self._machine = settle(self._config, recorded)
        return self._machine.describe()

    def train(self, series: Series) -> None:
        """Train each pending job in turn."""
        for job in series.run.in_order(list(series.work)):
            result = attempt(partial(self._train_one, series, job))
            if isinstance(result, str):
                series.display.job_fails(job, result)
            else:
                series.display.job_ends(job, result)

    def _train_one(self, series: Series, job: JobName) -> Result:
        sets, classes = series.material.sets(job), series.material.classes
        began = series.display.job_begins
        return run_job(series.run, series.config, self._machine, sets, classes, job, began)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...
