"""Where two runs differ first, job by job."""

from collections.abc import Mapping
from dataclasses import dataclass

from holdfast.pipeline.proof.runs import Outcome
from holdfast.pipeline.proof.traced import AFTER, SECTIONS, Digests, Key, Step

STEPS, EPOCH, FILE = "steps", "epoch", "file"
"""What else may differ than a section of a step: which steps there are, what an epoch was
measured at, what a file holds in the end."""


@dataclass(frozen=True)
class Difference:
    """The first thing of a job that is not the same in another run."""

    where: str
    """A position, or a file's name."""
    part: str
    """A section of the step, `STEPS`, `EPOCH` or `FILE`."""
    names: tuple[str, ...] = ()
    """The tensors and values of that part which differ."""
    values: tuple[str, str] | None = None
    """The first of them, here and there, where a person can read it."""
    then: tuple[str, ...] = ()
    """What differs after the step in consequence."""
    began: bool = False
    """Whether it is the job's very first step."""
    resumed: bool = False
    """Whether it is the first step after a resume."""


def first_differences(calm: Outcome, other: Outcome) -> dict[str, Difference]:
    """Return how each job that differs in ``other`` differs first from ``calm``."""
    found = _in_steps(calm, other)
    if other.failed:
        return found
    return _in_files(calm, other) | _in_epochs(calm, other) | found


def _in_steps(calm: Outcome, other: Outcome) -> dict[str, Difference]:
    expected = {step.key: step for step in calm.steps}
    began = {step.job: step.key for step in reversed(calm.steps)}
    found: dict[str, Difference] = {}
    for one in other.starts:
        met: set[str] = set()
        for step in one.steps:
            first = step.job not in met
            met.add(step.job)
            difference = _of_step(expected, step, began.get(step.job) == step.key, first)
            if difference is not None:
                found.setdefault(step.job, difference)
    made = {step.key for step in other.steps}
    for step in calm.steps:
        if step.key not in made and not other.failed:
            found.setdefault(step.job, Difference(str(step.position), STEPS))
    return found


def _of_step(
    expected: Mapping[Key, Step], step: Step, began: bool, first: bool
) -> Difference | None:
    where, resumed = str(step.position), first and not began
    if step.key not in expected:
        return Difference(where, STEPS, began=began, resumed=resumed)
    there = expected[step.key].sections
    for section in SECTIONS:
        names = _differing(step.sections[section], there[section])
        if names:
            values = _readable(step.sections[section], there[section], names[0])
            then = () if section == AFTER else _differing(step.sections[AFTER], there[AFTER])
            return Difference(where, section, names, values, then, began, resumed)
    return None


def _in_epochs(calm: Outcome, other: Outcome) -> dict[str, Difference]:
    found: dict[str, Difference] = {}
    for (job, position), here in other.epochs.items():
        there = calm.epochs.get((job, position), {})
        if names := _differing(here, there):
            values = _readable(here, there, names[0])
            found.setdefault(job, Difference(str(position), EPOCH, names, values))
    return found


def _in_files(calm: Outcome, other: Outcome) -> dict[str, Difference]:
    found: dict[str, Difference] = {}
    for name, (job, there) in calm.files.items():
        if name in other.files:
            here = other.files[name][1]
            if names := _differing(here, there):
                values = _readable(here, there, names[0])
                found.setdefault(job, Difference(name, FILE, names, values))
        elif name.endswith("_best.pth"):  # of the others, those that were kept may differ
            found.setdefault(job, Difference(name, FILE))
    return found


def _differing(here: Digests, there: Digests) -> tuple[str, ...]:
    return tuple(name for name in {**there, **here} if here.get(name) != there.get(name))


def _readable(here: Digests, there: Digests, name: str) -> tuple[str, str] | None:
    pair = here.get(name, "nothing"), there.get(name, "nothing")
    return None if any(value.startswith("#") for value in pair) else pair
