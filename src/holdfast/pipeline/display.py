"""What a series tells whoever watches it."""

from holdfast.rundir import JobName, Position, Result
from holdfast.status import Status
from holdfast.training import Progress


class Display:
    """Where a series reports to; this one says nothing, the terminal's are in ``holdfast.cli``."""

    def decoding(self, done: int, total: int) -> None:
        """``done`` of ``total`` images are decoded or found decoded."""

    def bad_images(self, bad: tuple[tuple[str, str], ...], total: int) -> None:
        """These images, by name and reason, are left out."""

    def images(self, train: int, val: int, test: int, classes: int) -> None:
        """So many images are there to learn from, to validate on and to test on."""

    def series_begins(self, status: Status, work: dict[JobName, float]) -> None:
        """The series starts or continues; ``work`` weighs each job still to train."""

    def notice(self, line: str) -> None:
        """Something that a person should know, such as a damaged file."""

    def job_begins(self, job: JobName, resumed_from: Position | None) -> None:
        """A job starts, or goes on from a position."""

    def progress(self, progress: Progress) -> None:
        """A job has advanced; called at most a few times a second."""

    def job_ends(self, job: JobName, result: Result) -> None:
        """A job is complete."""

    def job_fails(self, job: JobName, error: str) -> None:
        """A job failed; the series goes on."""

    def series_ends(self, status: Status) -> None:
        """Nothing is left to train in this start."""
