"""A display that lets a watch see how the series moves, and shows what it is told."""

from collections.abc import Callable

from holdfast.pipeline import Display
from holdfast.rundir import JobName, Position, Result
from holdfast.status import Status
from holdfast.tracking import StallWatch
from holdfast.training import Progress, StopRequest


class WatchedDisplay(Display):
    """Shows everything on another display; what moves the series is a sign of life."""

    def __init__(self, display: Display, watch: StallWatch) -> None:
        self._shown, self._watch = display, watch

    def decoding(self, done: int, total: int) -> None:
        """See `Display`."""
        self._watch.alive()
        self._shown.decoding(done, total)

    def bad_images(self, bad: tuple[tuple[str, str], ...], total: int) -> None:
        """See `Display`."""
        self._shown.bad_images(bad, total)

    def images(self, train: int, val: int, test: int, classes: int) -> None:
        """See `Display`."""
        self._shown.images(train, val, test, classes)

    def series_begins(self, status: Status, work: dict[JobName, float]) -> None:
        """See `Display`."""
        self._watch.alive()
        self._shown.series_begins(status, work)

    def notice(self, line: str) -> None:
        """See `Display`."""
        self._shown.notice(line)

    def job_begins(self, job: JobName, resumed_from: Position | None) -> None:
        """See `Display`."""
        self._watch.alive()
        self._shown.job_begins(job, resumed_from)

    def progress(self, progress: Progress) -> None:
        """See `Display`."""
        self._watch.alive()
        self._shown.progress(progress)

    def job_ends(self, job: JobName, result: Result) -> None:
        """See `Display`."""
        self._watch.alive()
        self._shown.job_ends(job, result)

    def job_fails(self, job: JobName, error: str) -> None:
        """See `Display`."""
        self._watch.alive()
        self._shown.job_fails(job, error)

    def series_ends(self, status: Status) -> None:
        """See `Display`."""
        self._watch.alive()
        self._shown.series_ends(status)


class WatchedStop(StopRequest):
    """A request to stop whose being asked for is a sign of life: by each step, each batch."""

    def __init__(self, announce: Callable[[int], None], watch: StallWatch | None) -> None:
        super().__init__(announce)
        self._watch = watch

    def heard(self) -> bool:
        """See `StopRequest`."""
        if self._watch is not None:
            self._watch.alive()
        return super().heard()
