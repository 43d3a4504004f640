"""Which checkpoints are kept: tables, no disk."""

import doctest

import pytest

from holdfast.checkpoint import retention
from holdfast.checkpoint.retention import Generation, keep


@pytest.mark.parametrize(
    ("good", "latest", "kept"),
    [
        ("", 3, 0),
        ("g", 3, 1),
        ("ggg", 3, 3),
        ("gggg", 3, 3),
        ("gggggg", 5, 5),
        ("ggg", 1, 2),  # the newest may be the one that the next crash damages
        ("ggg", 0, 2),
        ("bggg", 1, 3),
        ("bggg", 3, 3),
        ("bbggg", 3, 4),
        ("gbbgg", 2, 4),
        ("gbgg", 2, 3),
        ("bbb", 1, 3),  # nothing good: whatever there is may yet be of use
        ("gbbb", 1, 4),
        ("bbgbbgg", 2, 6),
    ],
)
def test_newest_are_kept_and_two_good_ones(good: str, latest: int, kept: int) -> None:
    """From newest (left) to oldest: ``g`` verifies, ``b`` is damaged."""
    generations = [Generation(index, mark == "g") for index, mark in enumerate(good)]
    assert keep(generations, latest) == list(range(kept))


def test_number_of_good_ones_can_be_given() -> None:
    """A caller may ask for more, or for fewer, verified generations."""
    generations = [Generation(index, True) for index in range(5)]
    assert keep(generations, 1, verified=1) == [0]
    assert keep(generations, 1, verified=4) == [0, 1, 2, 3]


def test_example_in_the_docstring_holds() -> None:
    """The documentation's example is what happens."""
    result = doctest.testmod(retention)
    assert result.attempted == 1
    assert result.failed == 0
