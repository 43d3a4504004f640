"""Which job is next, for engines that train several: the longest first, the unlucky last."""

import heapq
from collections.abc import Iterable, Mapping

from holdfast.rundir import DEATHS, JobName, Position

GIVEN_UP = 2 * DEATHS
"""Attempts in a row that got a job no further, after which nothing else is left to wait for."""

_AHEAD = 32  # jobs that have room, for each one more that waits for a machine


def at_a_time(room: int) -> int:
    """Return how many jobs to give to whoever places them, where so many have room.

    The others wait here, the longest first. There they would wait in the order in which they come,
    and one whose machine has died comes last: with all of them there, 1,000 jobs on 100 machines
    take a third longer than the ideal (`benchmarks/scale.py`). But an autoscaler must see some.
    """
    return room + max(1, room // _AHEAD)


class Schedule:
    """The jobs of a series that wait, and those that are in training.

    The longest go first, so that the last to end are short (Graham 1969, "Bounds on
    multiprocessing timing anomalies": at most 4/3 of the ideal). A job whose attempts get it no
    further goes behind the others after `DEATHS` of them, as a local start has it. Every operation
    takes logarithmic time.

    Args:
        work: the cost of each job, in any unit; ties go in the order given.
        died: how often each job has died without getting further before this start.
    """

    def __init__(
        self, work: Mapping[JobName, float], died: Mapping[JobName, int] | None = None
    ) -> None:
        self.running: set[JobName] = set()
        """The jobs that were handed out and have not come back."""
        self._work = dict(work)
        self._rank = {job: rank for rank, job in enumerate(work)}
        self._stuck = dict(died or {})
        self._reached: dict[JobName, Position | None] = {}
        self._waiting: list[tuple[int, float, int, JobName]] = []
        self._wait(work)

    def __len__(self) -> int:
        return len(self._waiting) + len(self.running)

    def take(self) -> JobName | None:
        """Hand out the job that is next; None where none waits."""
        if not self._waiting:
            return None
        job = heapq.heappop(self._waiting)[-1]
        self.running.add(job)
        return job

    def entered(self, job: JobName, position: Position | None) -> int:
        """Note that an attempt begins; return how many before it have got the job no further."""
        if job in self._reached:
            same = self._reached[job] == position
            self._stuck[job] = self._stuck.get(job, 0) + 1 if same else 0
        self._reached[job] = position
        return self._stuck.get(job, 0)

    def put_back(self, job: JobName) -> None:
        """Let a job wait again whose attempt has ended without its end."""
        self.running.discard(job)
        self._wait([job])

    def end(self, job: JobName) -> None:
        """Note that a job is complete or has failed."""
        self.running.discard(job)

    def is_hopeless(self, job: JobName) -> bool:
        """Tell whether a job gets no further, and there is no other to train meanwhile."""
        return self._stuck.get(job, 0) >= GIVEN_UP and not self._waiting and len(self.running) <= 1

    def _wait(self, jobs: Iterable[JobName]) -> None:
        for job in jobs:
            behind = self._stuck.get(job, 0) // DEATHS
            heapq.heappush(self._waiting, (behind, -self._work[job], self._rank[job], job))
