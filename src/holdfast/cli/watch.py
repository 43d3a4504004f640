"""``holdfast status --watch``: the same, again and again, until the series is complete."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import NoReturn

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from holdfast.config import BACKBONES
from holdfast.errors import EXIT_COMPLETE, EXIT_JOB_FAILED, HoldfastError
from holdfast.status import (
    COMPLETE,
    FAILED,
    PENDING,
    STARTED,
    JobStatus,
    Status,
    counted,
    head_lines,
    job_line,
    live_view,
    no_run,
    printable_text,
    read_directory,
)
from holdfast.storage.objects import is_url, refresh, viewed

_INTERVAL, _INTERVAL_OF_URL = 2.0, 10.0  # seconds between two readings
_REST = 4  # a reading is followed by so many times what it took: looking on takes little
_INTERRUPTED = 130
_LONGEST_DIRECTORY = 24
_PENDING = (PENDING, None, None, 0)


class Watcher:
    """Reads a run again and again, and keeps the last reading that succeeded."""

    def __init__(self, directory: Path, interval: float) -> None:
        """Read it for the first time, which must succeed."""
        self.directory, self.interval = directory, interval
        self.trouble: str | None = None
        """Why the last reading failed, or cannot be believed."""
        self._take(read_directory(directory, BACKBONES, whole_results=False))

    def _take(self, status: Status) -> None:
        self.status, self.at, self.trouble = status, datetime.now(), None

    def read(self) -> None:
        """Read it once more."""
        try:
            refresh(self.directory)
            status = read_directory(self.directory, BACKBONES, whole_results=False)
        except (HoldfastError, OSError) as error:
            self.trouble = printable_text(str(error))
            return
        if self.status.begun and not status.begun:
            self.trouble = "no run is recorded there any more"
        else:
            self._take(status)

    @property
    def verdict(self) -> int | None:
        """The exit code once nothing is left to wait for; None before."""
        left = {job.state for job in self.status.jobs} - {COMPLETE}
        if self.trouble or not self.status.begun or not self.status.jobs:
            return None
        if not left:
            return EXIT_COMPLETE
        return EXIT_JOB_FAILED if left == {FAILED} and not self.status.training else None

    @property
    def note(self) -> str:
        """When it was read, and what was wrong since."""
        at = f"{self.at:%H:%M:%S}"
        if self.trouble:
            return f"! This was so at {at}. Since then: {self.trouble}"
        where = printable_text(self.status.directory)
        if len(where) > _LONGEST_DIRECTORY:
            where = "…" + where[1 - _LONGEST_DIRECTORY :]
        return f"{where} at {at}, every {self.interval:g} s. Ctrl-C ends this, not the training."


def watch_run(where: str | Path, interval: float | None) -> int:
    """Show how a run goes on until it is complete, or until Ctrl-C; return the exit code.

    Raises:
        UsageError: there is no such directory.
    """
    pause = interval or (_INTERVAL_OF_URL if is_url(where) else _INTERVAL)
    console = Console(highlight=False, markup=False, emoji=False)
    follow = _in_terminal if console.is_terminal and not console.is_dumb_terminal else _in_pipe
    with _ends_on_sigterm(), viewed(where) as directory:
        try:
            return follow(Watcher(directory, pause), console)
        except KeyboardInterrupt:
            return _INTERRUPTED


def _in_terminal(watcher: Watcher, console: Console) -> int:
    """Show a table on a screen of its own; what it was last stays when that is gone."""

    def view() -> RenderableType:
        return _view(watcher, watcher.note, *console.size)

    try:
        with Live(get_renderable=view, console=console, screen=True, refresh_per_second=4):
            return _until_done(watcher)
    finally:
        console.print(_view(watcher, watcher.note if watcher.trouble else "", console.width))


def _view(watcher: Watcher, note: str, columns: int, lines: int | None = None) -> Group:
    if not watcher.status.begun:
        texts = [no_run(printable_text(watcher.status.directory)), note]
        return Group(*[Text(text) for text in texts if text])
    return live_view(watcher.status, note, columns, lines)


def _in_pipe(watcher: Watcher, console: Console) -> int:
    """Print a line for each thing that has changed."""
    known: dict[str, object] = {}
    for at in _readings(watcher):
        for line in _news(watcher, known):
            console.print(f"{at:%H:%M:%S} {line}", soft_wrap=True)
    return watcher.verdict or EXIT_COMPLETE


def _news(watcher: Watcher, known: dict[str, object]) -> Iterator[str]:
    """Yield what differs from ``known``, and note it there: jobs, the whole, what is wrong."""
    status, trouble = watcher.status, watcher.trouble
    if known.get("trouble") != trouble:
        known["trouble"] = trouble
        yield f"! {trouble}" if trouble else "Read again"
    if not status.begun:
        if "begun" not in known:
            known["begun"] = False
            yield printable_text(no_run(status.directory))
        return
    changed = False
    for job in status.jobs:
        stands = (job.state, job.stage, job.epoch, job.interruptions)
        if known.get(job.job, _PENDING) != stands:
            known[job.job], changed = stands, True
            yield printable_text(f"{job_line(job)}{_so_far(job)}")
    if changed:
        yield head_lines(status)[0]


def _so_far(job: JobStatus) -> str:
    accuracy = job.accuracy if job.state == STARTED else None
    measured = "" if accuracy is None else f", val acc {accuracy:.4f}"
    often = counted(job.interruptions, "interruption") if job.interruptions else ""
    return measured + (f", {often} survived" if often else "")


def _until_done(watcher: Watcher) -> int:
    for _ in _readings(watcher):
        pass
    return watcher.verdict or EXIT_COMPLETE


def _readings(watcher: Watcher) -> Iterator[datetime]:
    """Yield the time of each reading, until nothing is left to wait for."""
    took = 0.0
    yield watcher.at
    while watcher.verdict is None:
        time.sleep(max(watcher.interval, _REST * took))
        began = time.monotonic()
        watcher.read()
        took = time.monotonic() - began
        yield datetime.now()


@contextmanager
def _ends_on_sigterm() -> Iterator[None]:
    """Let SIGTERM end the block as an exception does, so that the terminal is put back."""

    def end(number: int, frame: FrameType | None) -> NoReturn:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
