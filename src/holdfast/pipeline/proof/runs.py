"""Whole runs of the command that is proved, and what each leaves behind."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from holdfast.checkpoint import read_pth
from holdfast.pipeline.proof.kills import Plan
from holdfast.pipeline.proof.start import Start, start
from holdfast.pipeline.proof.traced import Digests, Key, Step
from holdfast.rundir import Journal, Position, list_all_checkpoints, list_results
from holdfast.training.trace import digests

Say = Callable[[str], None]
DIRECTORY = "{dir}"
"""What stands for the checkpoint directory in a command."""

# what two runs may differ in
_NOT_EXACT = ("run_id", "timestamp", "time", "seconds", "interval", "saves")


@dataclass
class Outcome:
    """A run from its first start to its end."""

    starts: list[Start]
    epochs: dict[Key, Digests] = field(default_factory=dict)
    """What its journal says of each epoch."""
    files: dict[str, tuple[str, Digests]] = field(default_factory=dict)
    """What its directory holds in the end, by name: the job, and what is in it."""

    @property
    def steps(self) -> list[Step]:
        """Every step, also those made again after a kill."""
        return [step for one in self.starts for step in one.steps]

    @property
    def jobs(self) -> tuple[str, ...]:
        """The jobs it has trained, in order."""
        return tuple(dict.fromkeys(step.job for step in self.steps))

    @property
    def kills(self) -> list[str]:
        """Where it was killed."""
        return [one.killed for one in self.starts if one.killed]

    @property
    def failed(self) -> bool:
        """Whether its last start did not end well."""
        return self.starts[-1].status != 0

    def resumed_after(self, calm: "Outcome") -> set[str]:
        """Return the jobs of ``calm`` that were taken up here after some steps."""
        began = {step.job: step.key for step in reversed(calm.steps)}
        firsts = [one.steps[0] for one in self.starts if one.steps]
        return {step.job for step in firsts if began.get(step.job) != step.key}


def run_undisturbed(command: Sequence[str]) -> Outcome:
    """Run the command once, in a directory of its own, and leave it alone."""
    with tempfile.TemporaryDirectory(prefix="holdfast-prove-") as home:
        directory, filled = _fill_in(command, Path(home))
        return ended([start(filled, Path(home), 0, None)], directory)


def run_killed(command: Sequence[str], calm: Outcome, plan: Plan, say: Say) -> Outcome:
    """Run the command, killed as planned and started again, until it ends by itself."""
    ranks = {step.key: rank for rank, step in enumerate(calm.steps)}
    starts: list[Start] = []
    reached = 0
    with tempfile.TemporaryDirectory(prefix="holdfast-prove-") as home:
        directory, filled = _fill_in(command, Path(home))
        for number in count():
            starts.append(start(filled, Path(home), number, plan.next(reached)))
            reached = max([reached, *(ranks.get(s.key, -1) + 1 for s in starts[-1].steps)])
            if (where := starts[-1].killed) is None:
                return ended(starts, directory)
            plan.left -= 1
            say(f"  killed {where}")
    raise AssertionError("count() has no end")


def _fill_in(command: Sequence[str], home: Path) -> tuple[Path, list[str]]:
    directory = home / "checkpoints"
    return directory, [part.replace(DIRECTORY, str(directory)) for part in command]


def ended(starts: list[Start], directory: Path) -> Outcome:
    """Return a run that has come to its end, with what it has left in ``directory``."""
    files = [(file.job, file.path) for file in list_all_checkpoints(directory)]
    files += list_results(directory)
    rows = [row for row in Journal(directory).read() if row["event"] == "epoch"]
    return Outcome(
        starts,
        {(r["job"], Position(r["stage"], r["epoch"])): _exact(digests(r, "")) for r in rows},
        {path.name: (str(job), _exact(digests(read_pth(path), ""))) for job, path in files},
    )


def _exact(found: Digests) -> Digests:
    return {name: leaf for name, leaf in found.items() if name.split(".")[-1] not in _NOT_EXACT}
