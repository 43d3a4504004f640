"""One stage of a job: its epochs, and the batches of each, from wherever it stands."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from torch import Tensor

from holdfast.errors import UsageError
from holdfast.training import trace
from holdfast.training.batches import MapDataset, fetch
from holdfast.training.randomness import derive_seed, epoch_order, reseed, split_batches

if TYPE_CHECKING:
    from holdfast.training.job import Job

_SHORT = {"accuracy": "acc"}  # as the guide's history spells it


class Stage:
    """The part of a job that one learning regime covers; `Job.stages` makes them."""

    def __init__(
        self, job: "Job", name: str, total: int, monitor: str | None, patience: int | None
    ) -> None:
        self.name = name
        self.total = total
        self.steps: int | None = None
        """Steps of the current epoch, once `batches` knows them."""
        self._job = job
        self._monitor = monitor
        self._patience = patience

    def epochs(self, frozen: Iterable[Tensor] = ()) -> Iterator[int]:
        """Yield the number of each epoch still to train, counted from 1.

        Starts where the newest good checkpoint stands, and stops early when ``patience``
        epochs have not improved on the monitored metric. With a monitor, the best weights are
        back in the model when this ends.

        Args:
            frozen: tensors that do not change in this stage. Checkpoints hold them as any other,
                but need not copy them first.

        Raises:
            UsageError: the loop went round without `end_epoch`, or what is frozen has changed.
        """
        self._job._stage_begins(frozen)
        while self._epoch < self.total and not self._exhausted:
            epoch = self._epoch + 1
            reseed(self._seed(self._epoch, "begin"))
            yield epoch
            if self._epoch != epoch:
                raise UsageError(f"{self.name} epoch {epoch}: call stage.end_epoch() at its end")
        self._job._stage_ends()
        self._job.state.restore_best()
        reseed(self._seed(self._epoch, "end"))  # for what measures the result

    def batches(self, dataset: MapDataset[Any], batch_size: int, workers: int = 0) -> Iterator[Any]:
        """Yield the batches of the current epoch that have not been trained on.

        Order and randomness come from the position alone: python, numpy and torch are seeded
        anew for each batch, before it is fetched and again before it is yielded, and once more
        after the last, for the evaluation. Items are
        collated by torch's default rules, unless the dataset's ``__getitems__`` does it.

        Raises:
            UsageError: the loop went round without `Job.step`.
        """
        job, epoch = self._job, self._epoch
        order = epoch_order(len(dataset), self._seed(epoch, "order"))
        plan = split_batches(order, batch_size)
        self.steps = len(plan)
        first = job.state.position.step
        seeds = [self._seed(epoch, "fetch", step) for step in range(first, len(plan))]
        for step, batch in enumerate(fetch(dataset, plan[first:], seeds, workers), first):
            reseed(self._seed(epoch, "step", step))
            if trace.tracer is not None:
                trace.tracer.batch(job, batch)
            yield batch
            if job.state.position.step != step + 1:
                raise UsageError(f"{self.name} epoch {epoch + 1}: call job.step() for each batch")
        job.fence()
        reseed(self._seed(epoch, "evaluate"))  # a kill inside an evaluation repeats it whole

    def end_epoch(self, **metrics: float) -> None:
        """Complete the epoch with what it was measured at, and save a checkpoint.

        The history gets the running means of `Job.step` as ``train_…`` and ``metrics`` as
        ``val_…``, and the rate at which the tracked optimizer's next step would learn.

        Raises:
            UsageError: the monitored metric is not among ``metrics``.
        """
        if self._monitor is not None and self._monitor not in metrics:
            raise UsageError(f"stage.end_epoch() needs {self._monitor}=…, which is monitored")
        state = self._job.state
        row = {"stage": self.name, "epoch": self._epoch + 1}
        row |= {f"train_{name}": mean for name, mean in state.running.means().items()}
        row |= {f"val_{_SHORT.get(name, name)}": float(v) for name, v in metrics.items()}
        if (rate := state.learning_rate) is not None:
            row["learning_rate"] = rate
        state.end_epoch(row, {name: float(value) for name, value in metrics.items()})
        if self._monitor is not None:
            state.judge(metrics[self._monitor])
        self._job._epoch_ended(row)

    @property
    def _epoch(self) -> int:
        return self._job.state.position.epoch

    @property
    def _exhausted(self) -> bool:
        return self._patience is not None and self._job.state.stale >= self._patience

    def _seed(self, *where: object) -> int:
        return derive_seed(self._job.seed, self._job.name, self.name, *where)
