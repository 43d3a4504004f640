"""Who of several ranks knows of checkpoints: the first has them, the others go where it goes."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch

from holdfast.checkpoint import CheckpointRecord, CheckpointStore, SentLedger, key_of
from holdfast.rundir import (
    CheckpointFile,
    HistoryRow,
    JobName,
    Position,
    best_path,
    checkpoint_path,
)
from holdfast.training.interrupt import StopRequest
from holdfast.training.jobs import Jobs
from holdfast.training.ranks import Ranks
from holdfast.training.saver import Saver

OnDamage = Callable[[CheckpointFile, str], None]


def leading(jobs: Jobs, ranks: Ranks, stop: StopRequest) -> Jobs:
    """Return the jobs of the first rank: those of ``jobs``, and the others hear where it begins."""
    known = jobs.store
    store = _LeadingStore(ranks, known.directory, known.stages, known.run_id, known.ask)
    return Jobs(jobs.ledger, store, jobs.settings, stop)


def following(jobs: Jobs, ranks: Ranks, stop: StopRequest) -> Jobs:
    """Return the jobs of another rank: it writes nothing and tells nothing."""
    known = jobs.store
    store = _FollowingStore(ranks, known.directory, known.stages, known.run_id)
    ledger = SentLedger(known.directory, (), lambda event, told: None)
    settings = replace(jobs.settings, on_progress=None, on_notice=lambda line: None)
    followed = Jobs(ledger, store, settings, stop)
    followed.make_saver = _NoSaver
    return followed


class _LeadingStore(CheckpointStore):
    """The first rank's checkpoints; the other ranks load the one that it has found."""

    def __init__(
        self,
        ranks: Ranks,
        directory: Path,
        stages: tuple[str, ...],
        run_id: str,
        ask: Callable[[], None],
    ) -> None:
        super().__init__(directory, stages, run_id, ask)
        self._ranks = ranks

    def newest(
        self, job: JobName, on_damage: OnDamage, stage: str | None = None
    ) -> CheckpointRecord | None:
        """Return the newest good checkpoint, and let the other ranks know its position."""
        record = super().newest(job, on_damage, stage)
        at = Position(record["stage"], record["epoch"], record["step"]) if record else None
        self._ranks.from_first(at)
        return record


class _FollowingStore(CheckpointStore):
    """The checkpoints as another rank sees them: it reads one, and writes none."""

    def __init__(self, ranks: Ranks, directory: Path, stages: tuple[str, ...], run_id: str) -> None:
        super().__init__(directory, stages, run_id)
        self._ranks = ranks

    def newest(
        self, job: JobName, on_damage: OnDamage, stage: str | None = None
    ) -> CheckpointRecord | None:
        """Return the checkpoint that the first rank goes on from."""
        at: Position | None = self._ranks.from_first(None)
        if at is None:
            return None
        return self.load(CheckpointFile(checkpoint_path(self.directory, job, at), job, at))

    def newest_first(self, job: JobName) -> list[CheckpointFile]:
        """Return none: what to say of damage, the first rank says."""
        return []

    def save_best(self, job: JobName, record: CheckpointRecord) -> Path:
        """Return where the first rank writes it."""
        return best_path(self.directory, job)

    def prune(self, job: JobName, latest: int, *, anew: bool = False) -> None:
        """Leave it to the first rank."""

    def remove_all(self, job: JobName) -> None:
        """Leave it to the first rank."""


class _NoSaver(Saver):
    """Saves nothing: the first rank does, of a state that is the same here."""

    def hold_still(self, tensors: Iterable[torch.Tensor]) -> None:
        """See `Saver`; whether they change, the first rank looks at."""
        self._state.still = frozenset(key_of(tensor) for tensor in tensors)

    def is_due(self, *, epoch_ends: bool = False) -> bool:
        """Never."""
        return False

    def note_epoch(self, row: HistoryRow) -> None:
        """Tell nobody."""

    def begin(self, *, must: bool = False) -> None:
        """Take it as saved."""
        self.saved = self._state.position

    @contextmanager
    def fencing(self, thing: object) -> Iterator[None]:
        """Nothing is being written that a step could change."""
        yield
