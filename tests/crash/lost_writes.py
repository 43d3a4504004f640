"""Rung 2: the power fails, and the disk has lost what was not synced: data, names, or both.

Also when a process is killed first, and the power fails while the next believes what it found.
"""

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

from holdfast.storage.disk import Effect
from tests.crash.outcome import Outcome
from tests.crash.recording import (
    Promise,
    Undisturbed,
    crash,
    disk_after,
    one_of_each_first,
    undisturbed,
)
from tests.crash.verdict import recover

Tried = set[tuple[int, int]]
"""What stood, and how much was promised: where effects change nothing, states come again."""

RUNG = "2 lost writes"
KILLED_FIRST = 0.1  # the share of moments at which a process is killed before the power fails
EARLY = 30  # effects of the next process, inside which the power fails then


def injuries(chance: random.Random, where: Path) -> Iterator[Outcome]:
    """Cut the power before every effect of the tiny run, in random order; recover from each loss.

    One of each kind comes first. Ends when every one has had its turn.
    """
    return losses(chance, undisturbed(where))


def losses(chance: random.Random, calm: Undisturbed) -> Iterator[Outcome]:
    """Do so by a run that is recorded already."""
    effects = calm.recording.effects
    tried: Tried = set()
    for number in one_of_each_first(calm.kinds, chance):
        told = f"power cut before effect {number}, {calm.kinds[number]}"
        promises = calm.recording.promised_by(number)
        yield from power_cut(effects[:number], promises, told, calm, chance, tried)
        if chance.random() < KILLED_FIRST:
            yield from killed_first(number, calm, chance, tried)


def power_cut(
    effects: Sequence[Effect],
    promises: Sequence[Promise],
    told: str,
    calm: Undisturbed,
    chance: random.Random,
    tried: Tried,
) -> Iterator[Outcome]:
    """Recover from each state that a power cut after ``effects`` may leave, but for those tried."""
    for kind, loss, files in disk_after(effects).after_power_cut(chance):
        state = hash(frozenset(files.items())), len(promises)
        if state in tried:
            continue
        tried.add(state)
        verdict = recover(files, promises, calm)
        yield Outcome(RUNG, kind, f"{told}; {loss}", *verdict, may_refuse=False)


def killed_first(
    number: int, calm: Undisturbed, chance: random.Random, tried: Tried
) -> Iterator[Outcome]:
    """Kill a process, which loses nothing; cut the power of the next, which loses of both."""
    effects, promises = calm.recording.effects[:number], calm.recording.promised_by(number)
    second, _ = crash(disk_after(effects).live(), chance.randrange(EARLY), calm.where)
    told = f"killed before effect {number}, power cut after {len(second.effects)} of the next start"
    both = [*promises, *second.promises]
    yield from power_cut([*effects, *second.effects], both, told, calm, chance, tried)
