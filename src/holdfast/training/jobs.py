"""Where the jobs of a run come from, in the process that has the run or in another."""

from collections.abc import Mapping

from holdfast.checkpoint import CheckpointStore, JobLedger
from holdfast.rundir import JobName, Position, check_backbone_name
from holdfast.training.interrupt import StopRequest
from holdfast.training.job import Job
from holdfast.training.randomness import derive_seed, reseed
from holdfast.training.saver import Saver
from holdfast.training.settings import RunSettings
from holdfast.training.state import Stateful, TrainState


class Jobs:
    """Makes the jobs of one checkpoint directory; what they tell goes to ``ledger``."""

    def __init__(
        self, ledger: JobLedger, store: CheckpointStore, settings: RunSettings, stop: StopRequest
    ) -> None:
        self.ledger = ledger
        self.store = store
        self.settings = settings
        self.stop = stop
        self.make_saver = Saver

    def job(
        self,
        backbone: str,
        *,
        state: Mapping[str, Stateful] | None = None,
        fold: int | None = None,
        device: str = "cpu",
    ) -> Job:
        """Return the job of ``backbone``, to be used in a ``with`` statement.

        ``state`` is what has ``state_dict`` and ``load_state_dict`` and changes in training:
        model, optimizer, scheduler, and any others, by name. What is made later, such as one
        optimizer per stage, joins by `Job.track`.
        """
        name = JobName(check_backbone_name(backbone), fold)
        train_state = TrainState(Position(self.store.stages[0], 0), dict(state or {}))
        return Job(
            name,
            self.ledger,
            self.store,
            self.settings,
            self.stop,
            train_state,
            device,
            make_saver=self.make_saver,
        )

    def seed_for(self, backbone: str, fold: int | None = None) -> None:
        """Seed every generator for the making of a model: the same weights each time."""
        reseed(derive_seed(self.settings.seed, JobName(backbone, fold), "init"))
