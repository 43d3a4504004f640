"""What a series looks like in a terminal, in a notebook, and in a pipe."""

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console

from holdfast.cli.bars import TerminalBars
from holdfast.pipeline import Display
from holdfast.rundir import JobName, Position, Result
from holdfast.status import Status, duration, results_table, resume_lines
from holdfast.training import NotebookBars, Progress

_LISTED = 5  # unreadable images named one by one
_COLUMNS = 80
_SOON = 10  # seconds that are left, and cannot be told more exactly
_TELLING = 0.05  # of a job: before that, starting it weighs more than training it
_MOST_BARS = 12  # jobs in training that are shown one by one
_PLAIN_INTERVAL = 30.0  # seconds between two lines inside an epoch, in a pipe


class Estimate:
    """How much of the series is done in this start, and how long the rest will take."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._work: dict[JobName, float] = {}
        self._done: dict[JobName, float] = {}
        self._skipped: dict[JobName, float] = {}
        self._began = clock()

    def begin(self, work: dict[JobName, float]) -> None:
        """Start the clock; ``work`` weighs what is left to train of each job."""
        self._work, self._began = work, self._clock()

    def advance(self, job: JobName, fraction: float) -> None:
        """Note how much of a job is done; what was done before this start does not count."""
        self._skipped.setdefault(job, fraction if fraction < 1.0 else 0.0)
        self._done[job] = fraction

    @property
    def left(self) -> str:
        """The time left, such as 4 min, or nothing while it cannot be known."""
        shares = {job: self._share(job) for job in self._done}
        if max(shares.values(), default=0.0) < _TELLING:
            return ""
        earned = sum(self._work[job] * share for job, share in shares.items())
        rest = sum(self._work.values()) - earned
        seconds = (self._clock() - self._began) * rest / earned if earned > 0 else 0.0
        return f"{duration(seconds) if seconds >= _SOON else f'<{_SOON} s'} left"

    def _share(self, job: JobName) -> float:
        """Return how much this start has done of what it found undone."""
        skipped = self._skipped[job]
        return (self._done[job] - skipped) / (1.0 - skipped)


class TerminalDisplay(Display):
    """What both displays have in common: the lines that stay."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.estimate = Estimate()
        self._since = time.monotonic()
        self._samples: dict[JobName, tuple[int, float]] = {}
        self._rates: dict[JobName, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Leave the terminal as it was."""

    def say(self, line: str) -> None:
        """Print one line that stays."""
        self.console.print(line)

    def notice(self, line: str) -> None:
        """Print what a person should know."""
        self.say(f"! {line}")

    def bad_images(self, bad: tuple[tuple[str, str], ...], total: int) -> None:
        """Name the images that are left out."""
        if not bad:
            return
        are = "is" if len(bad) == 1 else "are"
        self.say(f"{len(bad)} of {total} images cannot be read and {are} left out:")
        for name, reason in bad[:_LISTED]:
            self.say(f"  {name}: {reason}")
        if len(bad) > _LISTED:
            self.say(f"  and {len(bad) - _LISTED} more (all in the index of the image cache)")

    def images(self, train: int, val: int, test: int, classes: int) -> None:
        """Say how the images are split."""
        self.say(
            f"{train} images to learn from, {val} to validate, {test} to test; {classes} classes"
        )

    def series_begins(self, status: Status, work: dict[JobName, float]) -> None:
        """Say what there is to do, or to continue."""
        self.estimate.begin(work)
        for line in resume_lines(status):
            self.say(line)

    def job_begins(self, job: JobName, resumed_from: Position | None) -> None:
        """Say that a job goes on, where it does."""
        self._samples[job] = (0, time.monotonic())
        self._rates[job] = ""
        if resumed_from is not None:
            self.say(f"✓ {job}: continuing from {resumed_from}")

    def job_ends(self, job: JobName, result: Result) -> None:
        """Say how a job ended."""
        self.estimate.advance(job, 1.0)
        self.say(f"✓ {job} complete: accuracy {result['accuracy']:.4f}, F1 {result['f1']:.4f}")

    def job_fails(self, job: JobName, error: str) -> None:
        """Say why a job failed."""
        self.estimate.advance(job, 1.0)
        self.say(f"✗ {job} failed: {error}")

    def series_ends(self, status: Status) -> None:
        """Show the table of all backbones."""
        self.console.print()
        self.console.print(results_table(status, self.console.width), soft_wrap=False)

    def rate(self, progress: Progress) -> str:
        """Return a job's images per second since it was last asked, or the last such figure."""
        now, job = time.monotonic(), progress.job
        before, when = self._samples.get(job, (0, self._since))
        if progress.samples > before and now > when:
            self._rates[job] = f"{(progress.samples - before) / (now - when):.0f} img/s"
            self._samples[job] = (progress.samples, now)
        return self._rates.get(job, "")


class PlainDisplay(TerminalDisplay):
    """Lines for a log file: one for each epoch, and one now and then inside long ones."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._last = time.monotonic()

    def decoding(self, done: int, total: int) -> None:
        """Say that the images are decoded."""
        if done == total:
            self.say(f"{total} images looked at")

    def progress(self, progress: Progress) -> None:
        """Print an epoch's end, or a sign of life."""
        position, now = progress.position, time.monotonic()
        self.estimate.advance(progress.job, progress.fraction)
        if not progress.measured and now - self._last < _PLAIN_INTERVAL:
            return
        self._last = now
        epoch = f"{position.stage} epoch {position.epoch}/{progress.epochs}"
        inside = f" step {position.step}/{progress.steps}" if position.step else ""
        line = f"{progress.job} {epoch}{inside}  {figures_of(progress)}"
        for more in (self.estimate.left, self.rate(progress)):
            line += f"  {more}" if more and len(line) + 2 + len(more) <= _COLUMNS else ""
        self.say(line)


class RichDisplay(TerminalDisplay):
    """A bar for the series, one for each job in training, and where it is one, its epoch's."""

    def __init__(self, console: Console, bars: TerminalBars | NotebookBars) -> None:
        super().__init__(console)
        self._bars = bars
        self._jobs = (0, 0)
        self._fractions: dict[JobName, float] = {}
        """How much is done of each job in training."""
        self._measured: dict[JobName, str] = {}

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Leave the terminal as it was."""
        self._bars.stop()

    def decoding(self, done: int, total: int) -> None:
        """Move the bar of decoded images."""
        self._bars.show("decoding", "Decoding", done / total, f"{done}/{total} images")
        if done == total:
            self._bars.remove("decoding")

    def series_begins(self, status: Status, work: dict[JobName, float]) -> None:
        """Show the series' bar."""
        super().series_begins(status, work)
        self._jobs = (len(status.jobs) - len(work), len(status.jobs))
        self._show_series()

    def job_begins(self, job: JobName, resumed_from: Position | None) -> None:
        """Begin a job's bar anew."""
        super().job_begins(job, resumed_from)
        self._fractions[job] = 0.0
        self._measured[job] = ""
        self._bars.remove("epoch")

    def progress(self, progress: Progress) -> None:
        """Move the bars of a job and of the series."""
        position, job = progress.position, progress.job
        self.estimate.advance(job, progress.fraction)
        self._fractions[job] = progress.fraction
        if progress.measured:
            self._measured[job] = f"val acc {progress.measured.get('accuracy', 0.0):.3f}"
        self._show_series()
        if str(job) not in self._bars.keys and len(self._bars.keys) > _MOST_BARS:
            return
        stage = (
            f"{position.stage} epoch {min(position.epoch + 1, progress.epochs)}/{progress.epochs}"
        )
        info = "  ".join(filter(None, [stage, self._measured.get(job)]))
        self._bars.show(str(job), str(job), progress.fraction, info)
        if not progress.measured and len(self._fractions) == 1:
            figures = "  ".join(filter(None, [figures_of(progress), self.rate(progress)]))
            share = position.step / progress.steps if progress.steps else 0.0
            self._bars.show("epoch", "Epoch", share, f"{position.step}/{progress.steps}  {figures}")

    def job_ends(self, job: JobName, result: Result) -> None:
        """Count a job."""
        super().job_ends(job, result)
        self._count(job)

    def job_fails(self, job: JobName, error: str) -> None:
        """Count a job."""
        super().job_fails(job, error)
        self._count(job)

    def series_ends(self, status: Status) -> None:
        """Put the bars away and show the table."""
        self._bars.stop()
        super().series_ends(status)

    def _count(self, job: JobName) -> None:
        done, total = self._jobs
        self._jobs = (done + 1, total)
        self._fractions.pop(job, None)
        self._bars.remove(str(job))
        self._bars.remove("epoch")
        self._show_series()

    def _show_series(self) -> None:
        done, total = self._jobs
        hidden = len(self._fractions) - len(self._bars.keys & {*map(str, self._fractions)})
        more = f"{hidden} more in training" if hidden > 1 else ""
        info = "  ".join(filter(None, [f"{done}/{total} jobs", self.estimate.left, more]))
        share = (done + sum(self._fractions.values())) / max(total, 1)
        self._bars.show("series", "Series", share, info)


class NotebookDisplay(RichDisplay):
    """The same bars below a notebook's cell; the table is what `holdfast.train` returns."""

    def __init__(self) -> None:
        super().__init__(
            Console(file=sys.stdout, force_jupyter=False, highlight=False, soft_wrap=True),
            NotebookBars(),
        )

    def series_ends(self, status: Status) -> None:
        """Leave the series' bar as it is."""
        self._bars.stop()


def figures_of(progress: Progress) -> str:
    """Return loss and accuracy: measured at an epoch's end, running inside one."""
    if progress.measured:
        accuracy = progress.measured.get("accuracy", float("nan"))
        return f"val loss {progress.measured.get('loss', float('nan')):.4f} acc {accuracy:.4f}"
    return "  ".join(f"{name} {value:.3f}" for name, value in progress.means.items())
