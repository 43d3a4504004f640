"""From what happened to a few words."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping

import torch
from peers.launch import Outcome
from torch import Tensor

Weights = Mapping[str, Tensor]
_NUMBER = re.compile(r"\d[\d.:e+-]*")


def same_bits(one: Weights, other: Weights) -> bool:
    """Tell whether two models have the same weights."""
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def ending(outcome: Outcome, injured: Collection[str] = ()) -> str | None:
    """Say how a process failed, and whether it named what was injured; None if it did not fail."""
    if outcome.code is None:
        return "hangs"
    if outcome.code < 0:
        return f"signal {-outcome.code}"
    if outcome.code == 0:
        return None if outcome.weights is not None else "exit 0 without weights"
    _, traceback, after = outcome.output.rpartition("Traceback (most recent call last):\n")
    if not traceback:
        return f"exit {outcome.code}" + (", named" if _names(injured, outcome.output) else "")
    message = after[re.search(r"^\S", after, re.MULTILINE).start() :]  # type: ignore[union-attr]
    kind = message.split(":")[0].split("\n")[0].rpartition(".")[2]
    return f"traceback: {kind}" + (", named" if _names(injured, message) else "")


def bits(outcome: Outcome, undisturbed: Weights, resumed: Outcome | None = None) -> str:
    """Say how a process failed, or what its weights are."""
    if failed := ending(outcome):
        return failed
    assert outcome.weights is not None
    if same_bits(outcome.weights, undisturbed):
        return "same bits"
    if resumed and resumed.weights and same_bits(outcome.weights, resumed.weights):
        return "other bits (those of any resume)"
    return "other bits"


def after_injury(
    outcome: Outcome, undisturbed: Weights, resumed: Outcome, injured: Collection[str]
) -> str:
    """Say what a start made of an injured checkpoint.

    ``resumed`` is a start on the same directory without the injury; what is said in both is no
    message about it. ``injured`` are the names that would name the injured file.
    """
    if failed := ending(outcome, injured):
        return failed
    known = set(_lines(resumed.output))
    new = [line for line in outcome.output.splitlines() if _NUMBER.sub("#", line) not in known]
    message = "no message"
    if new:
        message = "named" if _names(injured, "\n".join(new)) else "a warning"
    return ", ".join([message, *_step_back(outcome, resumed), bits(outcome, undisturbed, resumed)])


def tally(verdicts: Iterable[str]) -> str:
    """Sum up the verdicts of a case that was tried several times."""
    counts = Counter(verdicts)
    return "; ".join(
        f"{count} of {counts.total()}: {verdict}" for verdict, count in counts.most_common()
    )


def _step_back(outcome: Outcome, resumed: Outcome) -> list[str]:
    if outcome.start == 0 and resumed.start:
        return ["from scratch"]
    if outcome.start is not None and resumed.start and outcome.start < resumed.start:
        return ["stepped back"]
    return []


def _lines(output: str) -> list[str]:
    return [_NUMBER.sub("#", line) for line in output.splitlines()]


def _names(injured: Collection[str], text: str) -> bool:
    return any(name in text for name in injured)
