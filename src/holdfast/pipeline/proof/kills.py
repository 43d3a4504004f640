"""At which moments a run is killed: some chosen and some random, inside every job if possible."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, pairwise
from typing import Any

from holdfast.pipeline.proof.traced import Step
from holdfast.rundir import JOURNAL
from holdfast.storage import disk

FEWEST = 7


@dataclass(frozen=True)
class Moment:
    """A kind of moment; one without ``effect`` comes when some time has passed."""

    words: str
    effect: str | None = None
    pattern: str = ""
    """What is found in the name of the effect's file."""


AT_START = Moment("{seconds:.1f} s after it was started")
AT_RANDOM = Moment("{seconds:.2f} s after {step}")
BETWEEN_JOBS = Moment("before the fsync of {name}", disk.SYNC, r"_epoch0\.pth$")
INSIDE = (
    Moment("before the fsync of {name}", disk.SYNC, r"_step\d+\.pth$"),
    AT_RANDOM,
    Moment("before the rename to {name}", disk.RENAME, r"\.pth$"),
    Moment("before the fsync of the directory with {name}", disk.SYNC_DIRECTORY, r"\.pth$"),
    AT_RANDOM,
    Moment("before the removal of {name}", disk.UNLINK, r"\.pth$"),
    Moment("before the fsync of {name}", disk.SYNC, r"_epoch[1-9]\d*\.pth$"),  # after evaluation
    AT_RANDOM,
    Moment("before the fsync of {name}", disk.SYNC, JOURNAL),
)


@dataclass(frozen=True)
class Kill:
    """One kill to be made, once ``step`` has been; at start-up where there is none."""

    moment: Moment
    step: Step | None
    seconds: float = 0.0

    @property
    def request(self) -> dict[str, Any] | None:
        """What the process is told, where it is to kill itself."""
        if self.moment.effect is None or self.step is None:
            return None
        effect, pattern = self.moment.effect, self.moment.pattern
        return {"at": self.step.at, "effect": effect, "pattern": pattern}

    def words(self, name: str | None) -> str:
        """Say where it struck."""
        step = f"{self.step.job}, {self.step.position}" if self.step else ""
        return self.moment.words.format(name=name, step=step, seconds=self.seconds)


class Plan:
    """The kills still to be made of runs that make these ``steps`` and take ``startup`` seconds.

    Without ``kills``, there is one inside each job, one between two, and one at start-up.
    """

    def __init__(
        self, steps: Sequence[Step], startup: float, kills: int | None, chance: random.Random
    ) -> None:
        self._steps = steps
        self._startup = startup
        self._chance = chance
        self._inside: Iterator[Moment] = cycle(INSIDE)
        self._queue: list[tuple[int, Moment]] = []
        self.left = kills or max(FEWEST, len({step.job for step in steps}) + 2)

    def begin_run(self, jobs: Sequence[str]) -> None:
        """Spread the kills that are left over ``jobs``, the first thing in each run."""
        spare = self.left - len(jobs)
        queue = self._outside()[: max(spare, 0)]
        inside = self.left - len(queue)
        for number in range(inside):
            share = (number + self._chance.random()) / inside
            some = number if inside >= len(jobs) else int(share * len(jobs))
            job = jobs[some % len(jobs)]
            queue.append((self._chance.choice(self._middle(job)), next(self._inside)))
        self._queue = sorted(queue, key=lambda pair: pair[0])

    def next(self, reached: int) -> Kill | None:
        """Return the next kill of a run that has made ``reached`` steps; None at its end."""
        while self._queue:
            planned, moment = self._queue.pop(0)
            if moment is AT_START:
                return Kill(moment, None, self._chance.uniform(0.0, self._startup))
            number = max(planned, reached)
            if number < len(self._steps):
                return Kill(moment, self._steps[number], self._pause(number, moment))
        return None

    def _outside(self) -> list[tuple[int, Moment]]:
        """Return the kills that strike no job in training: at start-up, and between two jobs."""
        ends = [
            rank
            for rank, (step, following) in enumerate(pairwise(self._steps))
            if step.job != following.job
        ]
        kills = [(self._chance.randrange(len(self._steps)), AT_START)]
        return [*kills, (self._chance.choice(ends), BETWEEN_JOBS)] if ends else kills

    def _middle(self, job: str) -> list[int]:
        """Return the steps of ``job`` that leave something to resume from, and to go on with.

        Not the first, which may be lost; none of the last epoch, after which there may be none.
        """
        mine = [rank for rank, step in enumerate(self._steps) if step.job == job]
        last = self._epoch(mine[-1])
        return [rank for rank in mine[1:] if self._epoch(rank) != last] or mine[1:-1] or mine

    def _epoch(self, rank: int) -> tuple[str, int]:
        position = self._steps[rank].position
        return position.stage, position.epoch

    def _pause(self, number: int, moment: Moment) -> float:
        """Draw a time no longer than the job's quickest step, so that it is still in training."""
        if moment is not AT_RANDOM:
            return 0.0
        times = [step.time for step in self._steps if step.job == self._steps[number].job]
        gaps = [after - before for before, after in pairwise(times)]
        return self._chance.uniform(0.0, min(gaps, default=0.0))
