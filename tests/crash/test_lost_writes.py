"""Rung 2: whatever the disk may lose in a power cut, nothing that was promised is lost."""

import random
from itertools import islice

import pytest

from holdfast.rundir import JOURNAL
from holdfast.storage import disk
from holdfast.storage.disk import Effect
from tests.crash.lost_writes import losses, power_cut
from tests.crash.outcome import NEEDLESS_RESTART
from tests.crash.recording import Undisturbed, crash, disk_after

SAMPLE = 25  # of about 1,800: the whole takes minutes
EARLY = 20  # effects of a process that has just started


def test_sample_of_all_losses_ends_as_the_undisturbed_run(
    calm: Undisturbed, chance: random.Random
) -> None:
    """Weights, optimizer, history, results and files equal with ==; nothing begins anew."""
    outcomes = list(islice(losses(chance, calm), SAMPLE))
    assert [outcome for outcome in outcomes if not outcome.good] == []
    assert len({outcome.kind for outcome in outcomes}) > 2


@pytest.mark.parametrize("forgotten", [disk.SYNC, disk.SYNC_DIRECTORY])
def test_program_that_forgets_a_sync_is_caught(
    forgotten: str, calm: Undisturbed, chance: random.Random
) -> None:
    """The same effects without the syncs of one kind lose what was promised: rung 2 can fail."""
    promise = chance.choice([p for p in calm.recording.promises if p.position])
    effects = [e for e in calm.recording.effects[: promise.after] if e.kind != forgotten]
    outcomes = power_cut(effects, [promise], f"without {forgotten}", calm, chance, set())
    assert any(outcome.verdict == NEEDLESS_RESTART for outcome in outcomes)


def taken_up(calm: Undisturbed, chance: random.Random) -> tuple[list[Effect], list[Effect]]:
    """Kill a process between a result's rename and the sync of its directory; start the next.

    Return the effects of both, up to the journal's durable word that the job is complete.
    """
    between = [
        i for i, kind in enumerate(calm.kinds) if kind == "sync_directory after rename of a result"
    ]
    first = calm.recording.effects[: chance.choice(between)]
    second, _ = crash(disk_after(first).live(), EARLY, calm.where)
    told = [effect.path.name for effect in second.effects if effect.kind != disk.APPEND]
    return first, second.effects[: told.index(JOURNAL) + 3]


def test_result_that_the_next_process_took_up_survives_a_power_cut(
    calm: Undisturbed, chance: random.Random
) -> None:
    """Killed, started again, power cut: what the second process went by was durable by then."""
    first, second = taken_up(calm, chance)
    assert second[-1].path.name == JOURNAL
    outcomes = list(power_cut([*first, *second], [], "after a kill", calm, chance, set()))
    assert [outcome for outcome in outcomes if not outcome.good] == []


def test_next_process_that_forgets_to_sync_the_directory_is_caught(
    calm: Undisturbed, chance: random.Random
) -> None:
    """Without its first sync of the directory the result is lost and trained anew: that shows."""
    first, second = taken_up(calm, chance)
    careless = [effect for effect in second if effect.kind != disk.SYNC_DIRECTORY]
    assert len(careless) < len(second)
    outcomes = power_cut([*first, *careless], [], "after a kill", calm, chance, set())
    assert any(outcome.verdict == NEEDLESS_RESTART for outcome in outcomes)
