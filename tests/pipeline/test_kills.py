"""Where `holdfast prove` puts its kills."""

import random
from collections import Counter
from dataclasses import replace

import pytest

from holdfast.pipeline.proof.kills import AT_RANDOM, AT_START, BETWEEN_JOBS, INSIDE, Kill, Plan
from holdfast.pipeline.proof.traced import Step
from holdfast.rundir import Position


def steps(*jobs: str) -> list[Step]:
    """Two stages of two epochs of three steps for each job, a second apart."""
    places = [Position(s, e, n) for s in ("head", "finetune") for e in (0, 1) for n in (1, 2, 3)]
    keys = [(job, place) for job in jobs for place in places]
    return [Step(job, place, float(rank), {}) for rank, (job, place) in enumerate(keys)]


def kills_of(plan: Plan, *jobs: str) -> list[Kill]:
    plan.begin_run(jobs)
    made, reached = [], 0
    while (kill := plan.next(reached)) is not None:
        made.append(kill)
        if kill.step is not None:
            reached = steps(*jobs).index(kill.step) + 1
    return made


@pytest.mark.parametrize("seed", range(20))
def test_each_job_is_struck_where_it_must_go_on(seed: int) -> None:
    """By default: a kill inside every job before its last epoch, one at start, one between."""
    jobs = tuple("abcdefgh")
    plan = Plan(steps(*jobs), 2.0, None, random.Random(seed))
    kills = kills_of(plan, *jobs)
    inside = [kill for kill in kills if kill.moment in INSIDE]

    assert len(kills) == plan.left == len(jobs) + 2
    assert {kill.moment for kill in kills} >= {AT_START, BETWEEN_JOBS}
    assert {kill.step.job for kill in inside} == set(jobs)
    assert all(k.step.position != Position("head", 0, 1) for k in inside)
    assert all((p.stage, p.epoch) != ("finetune", 1) for p in (k.step.position for k in inside))
    (between,) = (kill for kill in kills if kill.moment is BETWEEN_JOBS)
    assert between.step.position == Position("finetune", 1, 3)


@pytest.mark.parametrize(("wanted", "jobs"), [(1, "a"), (7, "a"), (2, "abcde"), (30, "ab")])
def test_as_many_kills_are_planned_as_were_asked_for(wanted: int, jobs: str) -> None:
    """Fewer than jobs, or more than steps: a run takes what it can, and the rest is left."""
    for seed in range(20):
        made = kills_of(Plan(steps(*jobs), 2.0, wanted, random.Random(seed)), *jobs)
        steps_met = Counter(kill.step.key for kill in made if kill.step)

        assert min(wanted, 8) <= len(made) <= wanted
        assert max(steps_met.values()) == 1  # each on a step of its own: it will come


def test_one_job_gets_every_kind_of_moment() -> None:
    """Before a sync, a rename, a removal, the journal's sync, and at random moments."""
    plan = Plan(steps("a", "b"), 2.0, len(INSIDE) + 2, random.Random(0))
    plan.begin_run(("a",))
    kinds = {moment for _, moment in plan._queue}

    assert kinds == {*INSIDE, AT_START, BETWEEN_JOBS}
    assert Plan(steps("a"), 2.0, None, random.Random(0)).left == 7


def test_random_moment_is_over_before_the_next_step() -> None:
    """It comes within the quickest step of its job, so that the job is still in training."""
    known = steps("a")
    known[5] = replace(known[5], time=4.25)  # a quarter of a second after the one before
    plan = Plan(known, 2.0, 40, random.Random(0))
    plan.begin_run(("a",))
    made = [kill for reached in range(len(known)) if (kill := plan.next(reached)) is not None]
    pauses = [kill.seconds for kill in made if kill.moment is AT_RANDOM]

    assert pauses
    assert all(0.0 <= pause <= 0.25 for pause in pauses)
