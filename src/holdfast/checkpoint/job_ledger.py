"""What a job in training tells its run; `Ledger` writes it down, others send it to who does."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from holdfast.errors import UsageError
from holdfast.rundir import HistoryRow, JobName, Position, Result

Tell = Callable[[str, tuple[Any, ...]], None]
"""Sends the name of a ledger's method and its arguments."""


class JobLedger(Protocol):
    """The part of a ledger that belongs to the jobs in training."""

    directory: Path

    def changes_in(self, job: JobName) -> list[str]:
        """Return what changed of settings or data while ``job`` was in training."""

    def remember_stages(self, epochs: dict[str, int]) -> None:
        """Record the stages of the run's jobs where they are not what is known."""

    def agree_on_epochs(self, job: JobName, history: list[HistoryRow]) -> None:
        """Make the journal's epochs of a job those of its history: no more, no fewer."""

    def entered(
        self, job: JobName, position: Position | None, seconds: float = 0.0, interval: float = 0.0
    ) -> None:
        """Record that ``job`` starts, or goes on from ``position``.

        There it had been trained for so many ``seconds``, and was saved every ``interval``.
        """

    def moved(self, job: JobName, position: Position) -> None:
        """Record how far ``job`` has come."""

    def epochs_ended(self, job: JobName, rows: list[HistoryRow]) -> None:
        """Record epochs of ``job``, the last of which is where it stands now; ``rows`` empties."""

    def completed(
        self, job: JobName, result: Result, seconds: float = 0.0, *, weights: bool = True
    ) -> None:
        """Record the result of ``job``; a second one replaces the first."""

    def failed(self, job: JobName, error: str) -> None:
        """Record that ``job`` ended with ``error``; the next start tries it again."""

    def interrupted(self, job: JobName, where: str) -> None:
        """Record that ``job`` was asked to stop, and where it has saved."""

    def noted_damage(self, name: str, reason: str) -> None:
        """Record that a damaged file was set aside."""


class SentLedger:
    """A `JobLedger` that sends everything to the one who writes it down.

    For a process that trains a job of somebody else's run: it takes no lock and writes no state.
    What is told is of checkpoints that stand already, so a crash before it is heard loses nothing.
    """

    def __init__(self, directory: Path, changes: Sequence[str], tell: Tell) -> None:
        self.directory = directory
        self._changes = list(changes)
        self._tell = tell

    def changes_in(self, job: JobName) -> list[str]:
        """Return what the run's record says of the one job that is trained here."""
        return list(self._changes)

    def remember_stages(self, epochs: dict[str, int]) -> None:
        """See `JobLedger`."""
        self._tell("remember_stages", (dict(epochs),))

    def agree_on_epochs(self, job: JobName, history: list[HistoryRow]) -> None:
        """See `JobLedger`."""
        self._tell("agree_on_epochs", (job, list(history)))

    def entered(
        self, job: JobName, position: Position | None, seconds: float = 0.0, interval: float = 0.0
    ) -> None:
        """See `JobLedger`."""
        self._tell("entered", (job, position, seconds, interval))

    def moved(self, job: JobName, position: Position) -> None:
        """See `JobLedger`."""
        self._tell("moved", (job, position))

    def epochs_ended(self, job: JobName, rows: list[HistoryRow]) -> None:
        """See `JobLedger`."""
        self._tell("epochs_ended", (job, list(rows)))
        rows.clear()

    def completed(
        self, job: JobName, result: Result, seconds: float = 0.0, *, weights: bool = True
    ) -> None:
        """See `JobLedger`."""
        self._tell("completed", (job, result, seconds, weights))

    def failed(self, job: JobName, error: str) -> None:
        """See `JobLedger`."""
        self._tell("failed", (job, error))

    def interrupted(self, job: JobName, where: str) -> None:
        """See `JobLedger`."""
        self._tell("interrupted", (job, where))

    def noted_damage(self, name: str, reason: str) -> None:
        """See `JobLedger`."""
        self._tell("noted_damage", (name, reason))


def write_down(ledger: JobLedger, event: str, told: tuple[Any, ...]) -> None:
    """Do with a ledger what a `SentLedger` has told.

    Raises:
        UsageError: it is nothing that a job may tell.
    """
    if event == "completed":
        job, result, seconds, weights = told
        ledger.completed(job, result, seconds, weights=weights)
    elif event in _TOLD and not event.startswith("_"):
        getattr(ledger, event)(*told)
    else:
        raise UsageError(f"no job tells {event!r}")


_TOLD = frozenset(vars(JobLedger).keys() & vars(SentLedger).keys()) - {"changes_in"}
