"""Rung 6 of the crash tests, in small: whatever happens to one file, it is named and made good."""

import random
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest

from holdfast.rundir import JOURNAL, KFOLD_PROGRESS, RECOVERY_STATE
from holdfast.status import read_status, verify
from tests.crash import corruption, injure
from tests.crash.corruption import Corruption, corrupt, injuries, kind_of
from tests.crash.hostile_state import hostile_versions, withstand
from tests.crash.injure import DAMAGE, ODD, Injury
from tests.crash.outcome import Outcome
from tests.crash.torn_run import FINISHED, NEARLY, STOPPED, TornRun, torn_run

FULL_BEST, FOLD_BEST = "CustomRegNet_best.pth", "CustomResNetMish_fold1_best.pth"
OLD, NEWEST = "CustomRegNet_finetune_epoch2.pth", "CustomResNetMish_fold2_finetune_epoch1_step2.pth"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TornRun]:
    """The run that is injured."""
    with torn_run(tmp_path_factory.mktemp("torn")) as run:
        yield run


@pytest.fixture
def chance() -> random.Random:
    """Another draw in each test run; its seed is shown when the test fails."""
    seed = random.SystemRandom().randrange(2**32)
    print("drawn with seed", seed)
    return random.Random(seed)


def one_of_each_kind(directory: Path) -> list[str]:
    """Return a file of each kind: the first and, of checkpoints, the newest."""
    names = [str(path.relative_to(directory)) for path in injure.targets(directory)]
    return list({f"{kind_of(name)} {Path(name).suffix}": name for name in names}.values())


def test_every_kind_of_file_injured_in_every_way_is_named(
    run: TornRun, tmp_path: Path, chance: random.Random
) -> None:
    """`verify` names what came to harm, and only that; it never ends with an exception."""
    wrong, names = [], one_of_each_kind(run.home / STOPPED)
    assert len(names) == 11
    for name in names:
        for kind in (*DAMAGE, *ODD):
            sweep = Corruption(run, run.copy(STOPPED, tmp_path / "run"), name, STOPPED)
            words = sweep.injure(kind, chance)
            if words and (fault := sweep.verify()):
                wrong.append((name, kind.__name__, words, fault))
            injure.put_away(sweep.directory)
    assert wrong == []


@pytest.mark.parametrize(
    ("state", "name", "kind"),
    [
        (FINISHED, FULL_BEST, injure.flip),
        (FINISHED, FULL_BEST, injure.delete),
        (FINISHED, FOLD_BEST, injure.swap),
        (FINISHED, OLD, injure.truncate),
        (FINISHED, RECOVERY_STATE, injure.zero),
        (FINISHED, RECOVERY_STATE, injure.fifo),
        (FINISHED, KFOLD_PROGRESS, injure.delete),
        (FINISHED, JOURNAL, injure.flip),
        (FINISHED, JOURNAL, injure.delete),
        (NEARLY, NEWEST, injure.append),
        (NEARLY, NEWEST, injure.folder),
        (NEARLY, KFOLD_PROGRESS, injure.swap),
        (NEARLY, JOURNAL, injure.truncate),
    ],
)
def test_start_after_an_injury_ends_with_the_same_bits(
    run: TornRun, tmp_path: Path, chance: random.Random, state: str, name: str, kind: Injury
) -> None:
    """The next start names the file, sets it aside, loses no result, and ends as undisturbed."""
    outcome = corrupt(run, tmp_path, state, name, kind, chance)
    assert outcome is None or outcome.verdict == "same bits", outcome


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        (RECOVERY_STATE, "nesting"),
        (RECOVERY_STATE, "run: machine of text"),
        (RECOVERY_STATE, "results: result that is no float"),
        (KFOLD_PROGRESS, "folds: a billion folds"),
        (JOURNAL, "number of 5000 digits"),
        (JOURNAL, "run_planned, backbones: elsewhere"),
        (JOURNAL, "run_planned, run: threads of text"),
    ],
)
def test_start_on_hostile_json_is_a_clear_line_or_a_rebuild(
    run: TornRun, tmp_path: Path, name: str, kind: str
) -> None:
    """Rung 8: a sum that agrees makes no value harmless, and none breaks a start."""
    data = dict(hostile_versions(run.home / FINISHED, name))[kind]
    outcome = withstand(run, tmp_path, FINISHED, name, kind, data)
    assert outcome.good, outcome


def test_what_was_forged_and_stands_is_not_counted_as_the_same(
    run: TornRun, tmp_path: Path
) -> None:
    """A value with a sum that agrees is believed; the tally does not call that the same bits."""
    data = dict(hostile_versions(run.home / FINISHED, JOURNAL))["epoch, val_loss: null"]
    forged = withstand(run, tmp_path, FINISHED, JOURNAL, "a loss that is null", data)
    torn = withstand(run, tmp_path, FINISHED, RECOVERY_STATE, "torn", b"{")

    assert (forged.verdict, torn.verdict) == ("forged kept", "same bits")


def test_a_training_that_goes_on_is_no_damage(run: TornRun, tmp_path: Path) -> None:
    """Asked again and again while it trains, `verify` and `status` find nothing wrong."""
    directory = run.copy(NEARLY, tmp_path / "run")
    child, looks = run.tiny.start(directory), 0
    while child.running:
        assert verify(directory).damaged == []
        assert read_status(directory).completed == 2
        looks += 1
    assert (child.wait(), looks > 3) == (0, True), child.output


def test_damage_that_verify_overlooks_is_seen(
    run: TornRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The judge is not blind: a verification that looks at nothing is an outcome that is bad."""
    monkeypatch.setattr(corruption, "verify", lambda where: replace(verify(where), files=[]))
    outcome = corrupt(run, tmp_path, FINISHED, OLD, injure.truncate, random.Random(0))

    assert outcome is not None
    assert (outcome.verdict, outcome.evidence) == ("other bits", "verify names nothing")


def test_run_that_is_another_is_seen(run: TornRun, tmp_path: Path) -> None:
    """Neither is it blind to bits that differ."""
    other = Corruption(run, run.copy("other", tmp_path / "run"), OLD, FINISHED)
    fault = other.compare()

    assert fault is not None
    assert fault[0] == "other bits"


def test_a_torture_run_can_ask_for_any_number(run: TornRun, tmp_path: Path) -> None:
    """The endless series of injuries says of each one what came of it."""
    outcomes: list[Outcome] = list(islice(injuries(random.Random(7), tmp_path, run), 3))

    assert {outcome.rung for outcome in outcomes} == {"6"}
    assert [outcome for outcome in outcomes if not outcome.good] == []
