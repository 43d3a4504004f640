"""What the displays say, line by line."""

from io import StringIO

import pytest
from rich.console import Console

from holdfast.cli.display import Estimate, PlainDisplay
from holdfast.rundir import JobName, Position
from holdfast.training import Progress

LONGEST = JobName("CustomEfficientNetV4", 10)


@pytest.fixture
def display() -> PlainDisplay:
    """What a log gets."""
    return PlainDisplay(Console(file=StringIO(), highlight=False, soft_wrap=True))


def written(display: PlainDisplay) -> list[str]:
    assert isinstance(display.console.file, StringIO)
    return display.console.file.getvalue().splitlines()


def test_line_of_an_epoch_fits_80_columns(display: PlainDisplay) -> None:
    """The time left and the rate are left out where they do not fit; the figures never are."""
    # One image an epoch, so that the rate is short however fast these lines are written.
    display.estimate.begin({LONGEST: 1.0, JobName("x"): 1.0})
    measured = {"loss": 1.06739, "accuracy": 0.33333}
    for job in (LONGEST, JobName("x")):
        for epoch in (24, 25):
            at = Position("finetune", epoch)
            display.progress(Progress(job, at, 25, 9, {}, epoch, epoch / 50, measured))

    for job, line in zip(
        (LONGEST, LONGEST, JobName("x"), JobName("x")), written(display), strict=True
    ):
        assert line.startswith(f"{job} finetune epoch 2")
        assert "/25  val loss 1.0674 acc 0.3333" in line
        assert len(line) <= 80
    assert " left  " in written(display)[-1]
    assert "img/s" in written(display)[-1]


def test_images_left_out_are_counted_in_words(display: PlainDisplay) -> None:
    """One is, two are."""
    display.bad_images((("a.png", "cut short"),), 37)
    display.bad_images((("a.png", "cut short"), ("b.png", "empty")), 37)
    assert written(display)[0] == "1 of 37 images cannot be read and is left out:"
    assert written(display)[2] == "2 of 37 images cannot be read and are left out:"


def test_time_left_is_that_of_what_this_start_found_undone() -> None:
    """A resumed job's share is of what was left of it; what is skipped was not earned."""
    now, resumed, whole = [0.0], JobName("a"), JobName("b")
    estimate = Estimate(lambda: now[0])
    estimate.begin({resumed: 10.0, whole: 90.0})
    estimate.advance(resumed, 0.9)
    now[0] = 12.0
    estimate.advance(resumed, 0.95)
    assert estimate.left == "3.8 min left"  # 5 of 100 took 12 s
    estimate.advance(resumed, 1.0)
    now[0] = 20.0
    assert estimate.left == "3.0 min left"


def test_time_left_is_not_told_before_it_can_be() -> None:
    """How a start goes says nothing about days; a small part of one job does."""
    now, job = [0.0], JobName("a")
    estimate = Estimate(lambda: now[0])
    estimate.begin({job: 1.0, JobName("b"): 1.0})
    estimate.advance(job, 0.0)
    now[0] = 60.0
    estimate.advance(job, 0.02)
    assert estimate.left == ""
    estimate.advance(job, 0.06)
    assert estimate.left == "32 min left"
