"""A job whose process keeps dying is told from one that is merely interrupted."""

from typing import Any

import pytest

from holdfast.rundir import JobName, Position, Record, boot_id, deaths

JOB, OTHER = JobName("CustomMaxViT"), JobName("CustomRegNet", 2)
START = Position("head", 0)


def entered(job: JobName = JOB, at: Position | None = None, boot: str = "b1") -> Record:
    """What the journal gets when a job begins, or goes on from a position."""
    where: dict[str, Any] = vars(at) if at else {}
    event = "job_resumed" if at else "job_started"
    return {"time": "", "event": event, "job": str(job), "boot_id": boot, **where}


def ended(event: str, job: JobName = JOB) -> Record:
    """What the journal gets when a job ends in whatever way but a death."""
    return {"time": "", "event": event, "job": str(job)}


def test_deaths_without_progress_are_counted() -> None:
    """Begun, then taken up where it began, and dead each time: that is three."""
    journal = [entered(), entered(at=START), entered(at=START)]
    assert deaths(journal, {JOB: START}, START, "b1") == {JOB: 3}


def test_getting_further_clears_the_count() -> None:
    """One more step is progress, in an earlier attempt or in the last."""
    later = Position("head", 0, 1)
    journal = [entered(), entered(at=START), entered(at=START)]
    assert deaths(journal, {JOB: later}, START, "b1") == {}
    assert deaths([*journal, entered(at=later)], {JOB: later}, START, "b1") == {JOB: 1}


def test_another_boot_clears_the_count() -> None:
    """After a power cut nobody has failed: the attempts of an earlier boot do not count."""
    journal = [entered(boot="b0"), entered(at=START, boot="b0"), entered(at=START)]
    assert deaths(journal, {JOB: START}, START, "b1") == {JOB: 1}
    assert deaths(journal, {JOB: START}, START, "b2") == {}


@pytest.mark.parametrize("event", ["job_completed", "job_failed", "job_interrupted"])
def test_an_attempt_that_ended_is_no_death(event: str) -> None:
    """A result, a told failure and a polite stop are not deaths, and clear what was before."""
    journal = [entered(), entered(at=START), ended(event)]
    assert deaths(journal, {JOB: START}, START, "b1") == {}


def test_jobs_are_counted_apart() -> None:
    """What another job does in between neither adds to a count nor clears it."""
    journal = [entered(), entered(OTHER), ended("job_completed", OTHER), entered(at=START)]
    assert deaths(journal, {JOB: START}, START, "b1") == {JOB: 2}


def test_this_boot_has_a_name() -> None:
    """The name stays the same for as long as the machine runs."""
    assert boot_id() and boot_id() == boot_id()
