"""Which job is next, where several train at a time."""

from hypothesis import given
from hypothesis import strategies as st

from holdfast.pipeline.schedule import GIVEN_UP, Schedule
from holdfast.rundir import DEATHS, JobName, Position

A, B, C = JobName("a"), JobName("b"), JobName("c")
AT = Position("head", 1)


def drain(schedule: Schedule) -> list[JobName]:
    taken = []
    while (job := schedule.take()) is not None:
        taken.append(job)
    return taken


def test_the_longest_goes_first() -> None:
    """What takes longest begins first; what takes as long, in the order given."""
    schedule = Schedule({A: 1.0, B: 3.0, C: 3.0})
    assert drain(schedule) == [B, C, A]
    assert (schedule.running, len(schedule)) == ({A, B, C}, 3)


def test_what_died_three_times_in_one_place_goes_behind() -> None:
    """A job that gets no further waits until the others had their turn."""
    schedule = Schedule({A: 9.0, B: 1.0})
    for stuck in range(DEATHS):
        assert schedule.take() == A
        assert schedule.entered(A, AT) == stuck
        schedule.put_back(A)
    assert schedule.take() == A
    assert schedule.entered(A, AT) == DEATHS
    schedule.put_back(A)
    assert drain(schedule) == [B, A]


def test_what_gets_further_is_never_behind() -> None:
    """Machines that die are nobody's fault: each step forward begins the count anew."""
    schedule = Schedule({A: 9.0, B: 1.0})
    for epoch in range(4 * DEATHS):
        assert schedule.take() == A
        for stuck in range(DEATHS - 1):
            assert schedule.entered(A, Position("head", epoch)) == stuck
        schedule.put_back(A)


def test_what_died_before_this_start_counts() -> None:
    """A driver that dies with its workers forgets nothing of them."""
    assert drain(Schedule({A: 9.0, B: 1.0}, {A: DEATHS})) == [B, A]
    assert drain(Schedule({A: 9.0, B: 1.0}, {A: DEATHS - 1})) == [A, B]


def test_a_job_is_given_up_only_when_nothing_else_is_left() -> None:
    """As long as others wait or train, it may be tried again; then it has had its chances."""
    schedule = Schedule({A: 9.0, B: 1.0})
    assert schedule.take() == A
    for _ in range(GIVEN_UP + 1):
        schedule.entered(A, None)
    assert not schedule.is_hopeless(A)
    assert schedule.take() == B
    assert not schedule.is_hopeless(A)
    schedule.end(B)
    assert schedule.is_hopeless(A)
    schedule.end(A)
    assert len(schedule) == 0


@given(st.lists(st.tuples(st.floats(0.1, 100), st.integers(0, 3)), min_size=1, max_size=30))
def test_every_job_is_handed_out_until_it_ends(jobs: list[tuple[float, int]]) -> None:
    """However often each is put back, none is lost and none is handed out twice at a time."""
    names = [JobName(f"job{number}") for number in range(len(jobs))]
    left = {name: deaths for name, (_, deaths) in zip(names, jobs, strict=True)}
    schedule = Schedule({name: cost for name, (cost, _) in zip(names, jobs, strict=True)})
    ended = []
    while (job := schedule.take()) is not None:
        assert job in schedule.running
        schedule.entered(job, None)
        if left[job]:
            left[job] -= 1
            schedule.put_back(job)
        else:
            schedule.end(job)
            ended.append(job)
    assert sorted(ended, key=str) == sorted(names, key=str)
    assert len(schedule) == 0
