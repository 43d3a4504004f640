"""Rung 1: crashed before any effect on the disk, a run recovers to the same bits."""

import random
from itertools import islice

from tests.crash.every_effect import copied_crash, crashes, raised_crash
from tests.crash.recording import Undisturbed, disk_after
from tests.crash.simulated import Files

SAMPLE, RAISED = 25, 2  # of about 1,700 and 1,200: the whole takes minutes
PRUNING = "unlink of a full split's checkpoint"


def test_sample_of_all_crashes_ends_as_the_undisturbed_run(
    calm: Undisturbed, chance: random.Random
) -> None:
    """Weights, optimizer, history, results and files equal with ==; nothing begins anew."""
    outcomes = list(islice(crashes(chance, calm), SAMPLE))
    assert [outcome for outcome in outcomes if not outcome.good] == []
    assert len({outcome.kind for outcome in outcomes}) > SAMPLE // 2


def test_raised_crash_leaves_what_the_copy_holds(calm: Undisturbed, chance: random.Random) -> None:
    """No cleanup code reaches the disk after a crash, and one while recovering does no harm."""
    for number in chance.sample(range(len(calm.recording.effects)), RAISED):
        outcomes = list(raised_crash(number, calm, chance))
        assert len(outcomes) == 2
        assert [outcome for outcome in outcomes if not outcome.good] == []


def test_crash_behind_a_result_leaves_nothing_over(calm: Undisturbed) -> None:
    """No checkpoint of a completed fold stays, none too many of a full split, no job is current."""
    *_, pruned = (n for n, kind in enumerate(calm.kinds) if kind.startswith(PRUNING))
    *_, done = (n for n, kind in enumerate(calm.kinds) if kind == "create of a result")
    outcomes = [copied_crash(number, calm) for number in (pruned, *range(done, len(calm.kinds)))]
    assert len(outcomes) > 20
    assert [outcome for outcome in outcomes if not outcome.good] == []


def test_simulated_disk_holds_what_the_real_one_does(calm: Undisturbed) -> None:
    """The effects that the door tells of are all there are: they make the same directory."""
    simulated = disk_after([])
    for number, effect in enumerate(calm.recording.effects):
        assert simulated.live() == unlocked(calm.recording.before[number]), number
        simulated.apply(effect)
    assert simulated.live() == unlocked(calm.recording.before[-1])


def test_every_kind_of_file_is_crashed(calm: Undisturbed) -> None:
    """Checkpoints, results, journal, both JSON files, status text: each is written and replaced."""
    files = ["a full split's checkpoint", "a fold's checkpoint", "a result", "recovery_status.txt"]
    files += [".recovery_state.json", ".kfold_progress.json", ".lock.holder.json"]
    assert {f"rename of {file}" for file in files} < set(calm.kinds)
    assert {"append of journal.jsonl", "unlink of a fold's checkpoint"} < set(calm.kinds)


def unlocked(files: Files) -> Files:
    """Return ``files`` without the lock, which is the operating system's."""
    return {path: data for path, data in files.items() if path.name != ".lock"}
