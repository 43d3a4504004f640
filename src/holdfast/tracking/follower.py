"""A thread that keeps another tool up to date with a run's journal, and lets nobody wait for it."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from holdfast.errors import StorageError
from holdfast.tracking.job_log import JobLog
from holdfast.tracking.journal_jobs import JournalJobs

OnNotice = Callable[[str], None]

_LOOK = 1.0  # seconds between two looks at the journal's stamp
_SHARE = 20  # a twentieth of the time, at most, is spent computing beside the training
_FIRST_WAIT, _LONGEST_WAIT = 1.0, 60.0
_GRACE = 1.0  # seconds for a last request to come back


class AwayError(Exception):
    """A tool does not take what it is brought now; it may later."""


class Tracker(Protocol):
    """Another tool, and what it has of the run."""

    name: str
    """What a person calls it, without a secret."""

    def bring(self, log: JobLog) -> None:
        """Make what the tool has of a job what the log says; what it has already is found out.

        Raises:
            AwayError, StorageError: not now.
        """

    def keep_only(self, jobs: set[str]) -> None:
        """Take away what it has of other jobs, where it holds nothing but this run."""


class Follower:
    """Follows the journal of a directory, for one tool, until it is closed.

    The training is never stopped and never waits. A tool that is away is told of once, and tried
    again with back-off; `close` gives it ``patience`` more seconds.
    """

    def __init__(
        self, directory: Path, tracker: Tracker, on_notice: OnNotice, patience: float
    ) -> None:
        self._tracker, self._on_notice, self._patience = tracker, on_notice, patience
        self._journal = JournalJobs(directory)
        self._due: set[str] = set()
        self._away: str | None = None
        self._wait = _FIRST_WAIT
        self._end = float("inf")
        self._over, self._given_up = threading.Event(), threading.Event()
        self._fault: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="tracking", daemon=True)

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()

    def stop(self) -> None:
        """Take note that the training is over: from now on the patience runs."""
        self._end = min(self._end, time.monotonic() + self._patience)
        self._over.set()

    def close(self) -> None:
        """Bring what is left, for a bounded time, and say in one line what the tool lacks then."""
        self.stop()
        self._thread.join(max(self._end - time.monotonic(), 0.0) + _GRACE)
        self._given_up.set()
        if self._fault is not None:
            kind = type(self._fault).__name__
            self._on_notice(f"{self._tracker.name}: followed no further: {kind}: {self._fault}")
        elif self._due or self._thread.is_alive():
            jobs = "1 job" if len(self._due) == 1 else f"{len(self._due)} jobs"
            why = self._away or "it does not answer"
            self._on_notice(
                f"{self._tracker.name}: NOT up to date with {jobs} ({why}); nothing is lost, the "
                "next start brings it"
            )

    def _work(self) -> None:
        try:
            wait = 0.0
            while not self._over.wait(wait):
                wait = self._round()
            self._finish()
        except BaseException as error:
            self._fault = error
            raise

    def _finish(self) -> None:
        """Bring the rest without pauses; whoever is still in training is so no more."""
        self._due |= self._journal.stop()
        wait = self._round(_FIRST_WAIT)
        while self._due and time.monotonic() + wait < self._end:
            if self._given_up.wait(wait):
                return
            wait = self._round(_FIRST_WAIT)

    def _round(self, longest: float = _LONGEST_WAIT) -> float:
        """Bring what is new; return the seconds until the next round."""
        try:
            if self._journal.look():
                self._tracker.keep_only(self._journal.jobs)
            self._due |= self._journal.changed()
            for job in sorted(self._due):
                self._bring(job)
        except (AwayError, StorageError) as error:
            self._tell_away(str(error))
            self._wait = min(2 * self._wait, longest)
            return self._wait
        self._tell_back()
        return _LOOK

    def _bring(self, job: str) -> None:
        began = time.thread_time()
        log = self._journal.log(job)
        if log is not None:
            self._tracker.bring(log)
        self._due.discard(job)
        self._over.wait(_SHARE * (time.thread_time() - began))

    def _tell_away(self, reason: str) -> None:
        if self._away is None:
            self._on_notice(f"{self._tracker.name}: {reason}; training goes on, it is tried again")
        self._away = reason

    def _tell_back(self) -> None:
        if self._away is not None:
            self._on_notice(f"{self._tracker.name}: has caught up")
        self._away, self._wait = None, _FIRST_WAIT
