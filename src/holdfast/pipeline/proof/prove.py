"""Undisturbed twice, then killed again and again: do the bits agree?"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from holdfast.errors import UsageError
from holdfast.pipeline.proof.causes import explain
from holdfast.pipeline.proof.differences import first_differences
from holdfast.pipeline.proof.kills import Plan
from holdfast.pipeline.proof.runs import DIRECTORY, Outcome, Say, run_killed, run_undisturbed
from holdfast.status import times

THE_COMMAND = "the command"
"""What a fault belongs to that is no single job's."""


@dataclass(frozen=True)
class Verdict:
    """What has been found."""

    jobs: tuple[str, ...]
    kills: int
    resumed: frozenset[str]
    """The jobs that a kill struck in training."""
    faults: dict[str, str]
    """Of each job that does not end with the same bits: what differs, and the likely cause."""

    @property
    def proved(self) -> bool:
        """Whether every job ends with the same bits after all kills."""
        return not self.faults


def prove(
    command: Sequence[str], kills: int | None, say: Say, chance: random.Random | None = None
) -> Verdict:
    """Run ``command`` undisturbed and killed, each time in a fresh ``{dir}``, and compare.

    Without ``kills``, as often as strikes each job.

    Raises:
        UsageError: the command fails by itself, or does not train with `holdfast.open`.
    """
    calm = _undisturbed(command)
    say(f"undisturbed: {len(calm.steps)} steps")
    faults = faults_of(calm, _undisturbed(command), killed=False)
    say(f"undisturbed again: {_agreement(calm.jobs, faults)}")
    plan = Plan(calm.steps, calm.starts[0].startup, kills, chance or random.SystemRandom())
    resumed: set[str] = set()
    made = 0
    while plan.left and (sound := [job for job in calm.jobs if job not in faults]):
        plan.begin_run(sound)
        outcome = run_killed(command, calm, plan, say)
        faults = faults_of(calm, outcome, killed=True) | faults
        resumed |= outcome.resumed_after(calm)
        made += len(outcome.kills)
        if outcome.failed or not outcome.kills:
            break
    if made:
        say(f"killed {times(made)}: {_agreement(calm.jobs, faults)}")
    told = {name: faults[name] for name in (*calm.jobs, THE_COMMAND) if name in faults}
    return Verdict(calm.jobs, made, frozenset(resumed), told)


def _undisturbed(command: Sequence[str]) -> Outcome:
    """Run the command undisturbed; that must work before anything can be proved."""
    outcome = run_undisturbed(command)
    last = outcome.starts[-1]
    if outcome.failed:
        raise UsageError(
            f"left alone, it ends with exit code {last.status} ({last.last_line}): mend that first"
        )
    if not outcome.steps or not outcome.files:
        raise UsageError(
            f"it has saved no step in {DIRECTORY}: prove a command that trains there with "
            "holdfast.open(...) and job.step(...)"
        )
    return outcome


def faults_of(calm: Outcome, other: Outcome, *, killed: bool) -> dict[str, str]:
    """Say of each job how ``other`` differs from ``calm``; ``killed`` if undisturbed runs agree."""
    found = first_differences(calm, other)
    faults = {job: explain(difference, killed=killed) for job, difference in found.items()}
    if other.failed:
        last = other.starts[-1]
        faults[THE_COMMAND] = (
            f"killed {other.kills[-1]}, its next start ends with exit code {last.status}: "
            f"{last.last_line}"
        )
    return faults


def _agreement(jobs: Sequence[str], faults: Mapping[str, str]) -> str:
    differ = len(faults.keys() & set(jobs))
    return f"{differ} of {len(jobs)} differ" if differ else "the same bits"
