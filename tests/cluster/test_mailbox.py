"""What attempts may tell and write: only the newest of a job, and its end once."""

import asyncio

from holdfast.pipeline.on_ray.mailbox import Mailbox, Message
from holdfast.rundir import JobName

JOB, OTHER = JobName("a"), JobName("b", 2)


def test_only_the_newest_attempt_may_write_and_tell() -> None:
    """Whoever was given up is refused, whatever it says, and the driver never hears of it."""

    async def story() -> None:
        box = Mailbox()
        first, second = await box.begin(JOB, 1, "node"), await box.begin(JOB, 1, "other")
        assert (first, second) == (1, 2)
        assert not await box.is_newest(JOB, 1)
        assert not await box.tell(JOB, 1, "completed", ("late",))
        assert await box.is_newest(JOB, 2)
        assert await box.tell(JOB, 2, "entered", (JOB, None))
        assert await box.take(1.0) == [
            Message(JOB, "begun", ("node",)),
            Message(JOB, "begun", ("other",)),
            Message(JOB, "entered", (JOB, None)),
        ]

    asyncio.run(story())


def test_a_job_ends_once() -> None:
    """After its end nothing of it is begun, written or told."""

    async def story() -> None:
        box = Mailbox()
        for event in ("completed", "failed"):
            job = JobName(event)
            assert await box.begin(job, 1, "node") == 1
            assert await box.tell(job, 1, event, (job, {}, 1.0, True))
            assert await box.is_newest(job, 1)  # a fold removes its checkpoints then
            assert not await box.tell(job, 1, event, (job, {}, 1.0, True))
            assert await box.begin(job, 1, "node") is None
        assert await box.begin(OTHER, 1, "node") == 1
        await box.give_up(OTHER)
        assert not await box.is_newest(OTHER, 1)
        assert await box.begin(OTHER, 1, "node") is None

    asyncio.run(story())


def test_a_stop_reaches_those_who_wait_for_it() -> None:
    """Workers hear the signal's number; nothing is begun any more."""

    async def story() -> None:
        box = Mailbox()
        assert await box.begin(JOB, 1, "node") == 1
        waiting = asyncio.create_task(box.stopped())
        await asyncio.sleep(0)
        assert not waiting.done()
        await box.stop(2)
        assert await waiting == 2
        assert await box.begin(OTHER, 1, "node") is None
        assert await box.is_newest(JOB, 1)  # it is to save

    asyncio.run(story())


def test_taking_waits_no_longer_than_told() -> None:
    """The driver looks at its tasks also where nobody says anything."""

    async def story() -> None:
        box = Mailbox()
        assert await box.take(0.01) == []
        taking = asyncio.create_task(box.take(60.0))
        await asyncio.sleep(0)
        await box.begin(JOB, 1, "node")
        assert await taking == [Message(JOB, "begun", ("node",))]

    asyncio.run(story())


def test_what_was_withdrawn_neither_goes_on_nor_begins() -> None:
    """A job that is handed out again is not trained by what was handed out before."""

    async def story() -> None:
        box = Mailbox()
        assert await box.begin(JOB, 1, "node") == 1
        await box.withdraw(JOB, 1)
        assert not await box.is_newest(JOB, 1)
        assert not await box.tell(JOB, 1, "completed", ("late",))
        assert await box.begin(JOB, 1, "node") is None
        newest = await box.begin(JOB, 2, "other")
        assert newest is not None
        assert await box.is_newest(JOB, newest)
        assert await box.begin(JOB, 1, "node") is None
        assert await box.is_newest(JOB, newest)

    asyncio.run(story())
