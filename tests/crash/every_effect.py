"""Rung 1: the tiny run crashed before each of its effects, inside its writes, while recovering."""

import random
from collections.abc import Iterator
from pathlib import Path

from holdfast.storage import disk
from tests.crash.outcome import OTHER_BITS, Outcome
from tests.crash.recording import Undisturbed, crash, moments, one_of_each_first, undisturbed
from tests.crash.verdict import recover

RUNG = "1 every effect"
RAISED = 0.1  # the share of crashes that are raised anew, not copied, and followed by a second


def injuries(chance: random.Random, where: Path) -> Iterator[Outcome]:
    """Crash the tiny run before every effect and at its end, in random order; recover each time.

    One of each kind comes first. Ends when every one has had its turn.
    """
    return crashes(chance, undisturbed(where))


def crashes(chance: random.Random, calm: Undisturbed) -> Iterator[Outcome]:
    """Do so by a run that is recorded already."""
    for number in one_of_each_first(calm.kinds, chance):
        yield copied_crash(number, calm)
        if number < len(calm.recording.effects):
            if calm.recording.effects[number].kind == disk.WRITE:
                yield torn_write(number, calm, chance)
            if chance.random() < RAISED:
                yield from raised_crash(number, calm, chance)


def copied_crash(number: int, calm: Undisturbed) -> Outcome:
    """Recover from what stood before one effect."""
    files, promises = calm.recording.before[number], calm.recording.promised_by(number)
    kind = f"crash before {calm.kinds[number]}"
    return told(kind, f"effect {number}", recover(files, promises, calm))


def torn_write(number: int, calm: Undisturbed, chance: random.Random) -> Outcome:
    """Recover from a write that happened in part."""
    files, effect = calm.recording.before[number], calm.recording.effects[number]
    length = chance.randint(1, len(effect.data) - 1)
    written = (files[effect.path] or b"") + effect.data[:length]
    verdict = recover(files | {effect.path: written}, calm.recording.promised_by(number), calm)
    kind = f"crash inside {calm.kinds[number]}"
    return told(kind, f"effect {number}, {length} bytes of it", verdict)


def raised_crash(number: int, calm: Undisturbed, chance: random.Random) -> Iterator[Outcome]:
    """Cut the power of a real run, then of its recovery; recover from what each leaves."""
    first, left = crash({}, number, calm.where)
    verdict = recover(left, first.promises, calm)
    if moments(first.effects)[:-1] != calm.kinds[:number] or left != first.before[-1]:
        verdict = OTHER_BITS, "what a crash leaves is not what the copy holds"
    yield told(f"raised crash before {calm.kinds[number]}", f"effect {number}", verdict)
    again = chance.randrange(len(calm.kinds) - number)
    second, left = crash(left, again, calm.where)
    verdict = recover(left, [*first.promises, *second.promises], calm)
    injury = f"effect {number}, then effect {again} of the recovery"
    yield told("crash while recovering", injury, verdict)


def told(kind: str, injury: str, verdict: tuple[str, str]) -> Outcome:
    """Return the outcome of one crash; after a crash, a refusal is no answer."""
    return Outcome(RUNG, kind, injury, *verdict, may_refuse=False)
