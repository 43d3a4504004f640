"""A series under torchrun: its first rank is the series, the others follow it job by job.

torchrun starts the ranks, ends all when one dies, and starts them again if it was told to
(``--max-restarts``); each start goes on from what was saved, as any start does.
"""

import os
from typing import Any

import torch.distributed as dist
from torch.distributed import is_torchelastic_launched
from torch.distributed.rendezvous import rendezvous

from holdfast.config import RunConfig
from holdfast.errors import EXIT_COMPLETE, HoldfastError, JobFailedError
from holdfast.pipeline.engine import Series
from holdfast.pipeline.group import Order, joined, train_together
from holdfast.pipeline.job import Task
from holdfast.pipeline.local import LocalEngine
from holdfast.pipeline.machine import settle
from holdfast.rundir import JobName, Result
from holdfast.training import StopRequest, trace, use_deterministic_kernels


def rank_of_torchrun() -> int | None:
    """Return which of torchrun's ranks this process is; None where it is none of several."""
    several = is_torchelastic_launched() and int(os.environ["WORLD_SIZE"]) > 1
    return int(os.environ["RANK"]) if several else None


class LeadingEngine(LocalEngine):
    """Trains the jobs in this process and in those that follow it."""

    def train(self, series: Series) -> None:
        """See `LocalEngine`."""
        with joined(self._machine, 0, _meeting_place()) as self._ranks:
            super().train(series)
            self._ranks.from_first(None)  # they are done; after an error torchrun ends them

    def _train_one(self, series: Series, job: JobName) -> Result:
        sets, classes = series.material.sets(job), series.material.classes
        task = Task(series.config, self._machine, sets, classes, job)
        self._ranks.from_first(Order.of(series.run, task))
        began = series.display.job_begins
        try:
            return train_together(series.run, task, self._ranks, series.stop, began)
        except (HoldfastError, OSError):
            raise
        except Exception as error:  # the others are somewhere else: no next job for these ranks
            raise HoldfastError(f"{job}: {type(error).__name__}: {error}") from error


def follow_series(config: RunConfig) -> int:
    """Be another rank than the first: train what that one says, until it says no more.

    Raises:
        Interrupted: a rank was asked to stop; the state has been saved.
    """
    trace.tracer = None  # what is proved is what the first rank does
    use_deterministic_kernels()
    machine, stop = settle(config, {}), StopRequest()
    nothing: Any = lambda *_: None  # noqa: E731
    with joined(machine, int(os.environ["RANK"]), _meeting_place()) as ranks:
        while (order := ranks.from_first(_no_order())) is not None:
            jobs = order.jobs(nothing, nothing, nothing, nothing, stop)
            try:
                train_together(jobs, order.task, ranks, stop, nothing)
            except JobFailedError:
                continue  # the first rank has recorded it
    return EXIT_COMPLETE


def _meeting_place() -> dist.Store:
    """Return torchrun's store, apart for each start: it still holds what the dead have left."""
    store, _, _ = next(rendezvous("env://"))
    return dist.PrefixStore(f"start {os.environ['TORCHELASTIC_RESTART_COUNT']}", store)


def _no_order() -> Order | None:
    return None
