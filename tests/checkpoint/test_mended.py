"""What was damaged is mended once and for all: what comes later counts, and nothing returns."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from holdfast.checkpoint import CheckpointManager, Ledger, repair
from holdfast.errors import RecoveryRefusedError, UsageError
from holdfast.rundir import (
    JOURNAL,
    KFOLD_PROGRESS,
    RECOVERY_STATE,
    JobName,
    Journal,
    Position,
    load_state,
    read_sources,
    state_reports,
)
from holdfast.rundir.spread import facts_crc
from holdfast.status import read_status
from tests.checkpoint.conftest import Trained

DONE, OTHER, BEGUN = (JobName(name) for name in ("CustomRegNet", "CustomSwin", "CustomGhostNetV2"))
NAMES = [str(job) for job in (DONE, OTHER, BEGUN)]
STAGES = {"stages": {"head": 2, "finetune": 3}}


def begin(directory: Path) -> Ledger:
    """Begin a run and complete two of its jobs."""
    ledger = Ledger(directory)
    ledger.identify()
    ledger.plan(STAGES, NAMES, {})
    for job in (DONE, OTHER):
        ledger.entered(job, None)
        ledger.completed(job, {"final_accuracy": 0.9}, weights=False)
    ledger.entered(BEGUN, None)
    return ledger


@pytest.fixture
def take_up(directory: Path) -> Iterator[Callable[[], Ledger]]:
    """Return a function that takes the run up as a start does, a few times."""
    ledgers: list[Ledger] = []

    def start() -> Ledger:
        while ledgers:
            ledgers.pop().close()
        ledgers.append(Ledger(directory))
        repair(ledgers[0], print)
        return ledgers[0]

    ledgers.append(begin(directory))
    yield start
    ledgers[0].close()


def lose_lines(directory: Path) -> None:
    """Damage all lines of the journal but the last."""
    lines = (directory / JOURNAL).read_bytes().splitlines(keepends=True)
    (directory / JOURNAL).write_bytes(b"{}\n" * (len(lines) - 1) + lines[-1])


def test_state_after_a_mended_journal_moves_on(
    directory: Path, take_up: Callable[[], Ledger]
) -> None:
    """The record that replaces lost lines tells the results, not where the run stands for ever."""
    lose_lines(directory)
    take_up().moved(BEGUN, Position("finetune", 2))

    state = load_state(directory)
    assert state is not None
    assert (state.current_stage, state.current_epoch) == ("finetune", 2)
    assert state.results.keys() == {DONE, OTHER}


@pytest.mark.parametrize("name", [RECOVERY_STATE, KFOLD_PROGRESS, JOURNAL])
def test_mended_file_makes_the_loss_of_another_harmless(
    name: str, directory: Path, take_up: Callable[[], Ledger]
) -> None:
    """After the journal was lost and mended, any file may be lost again."""
    run_id = take_up().run_id
    (directory / JOURNAL).unlink()
    take_up()
    (directory / name).unlink()

    state = take_up().state
    assert state.results.keys() == {DONE, OTHER}
    assert (state.backbones, state.run, state.run_id) == (NAMES, STAGES, run_id)


def test_reset_after_a_mended_journal_stays(directory: Path, take_up: Callable[[], Ledger]) -> None:
    """What was forgotten does not come back with the record that replaced lost lines."""
    lose_lines(directory)
    take_up().reset(str(DONE))
    assert take_up().state.results.keys() == {OTHER}
    for name in (RECOVERY_STATE, KFOLD_PROGRESS):
        (directory / name).unlink()
    assert take_up().state.results.keys() == {OTHER}


def test_mended_journal_of_another_run_is_told_apart(
    directory: Path, take_up: Callable[[], Ledger], tmp_path: Path
) -> None:
    """A journal that names its run only in what replaced lost lines is known by that."""
    begin(tmp_path / "other").close()
    (tmp_path / "other" / JOURNAL).unlink()
    other = Ledger(tmp_path / "other")
    repair(other, print)
    other.reset(str(DONE))
    other.close()
    mine = take_up().run_id
    shutil.copy(tmp_path / "other" / JOURNAL, directory / JOURNAL)

    (bad,) = [
        report for report in state_reports(directory, read_sources(directory)) if report.fault
    ]
    assert (bad.name, bad.fault) == (JOURNAL, "is another run's")
    state = take_up().state
    assert (state.run_id, state.results.keys()) == (mine, {DONE, OTHER})


def test_state_files_are_missing_only_where_they_were_written(directory: Path) -> None:
    """A kill between the first line of the journal and the files is no damage; a loss is."""
    directory.mkdir()
    Journal(directory).append("run_identified", run_id="0" * 32)
    assert [report.fault for report in state_reports(directory, read_sources(directory))] == [None]
    begin(directory).close()
    (directory / RECOVERY_STATE).unlink()
    (directory / KFOLD_PROGRESS).unlink()

    faults = {
        report.name: report.fault for report in state_reports(directory, read_sources(directory))
    }
    assert faults == {RECOVERY_STATE: "missing", KFOLD_PROGRESS: "missing", JOURNAL: None}


def test_scrambled_state_that_is_all_there_is_is_not_written_over(directory: Path) -> None:
    """Where nothing can be believed, what was there is still set aside, not replaced."""
    directory.mkdir()
    for name in (RECOVERY_STATE, JOURNAL):
        (directory / name).write_bytes(b"scrambled\n")
    told: list[str] = []
    ledger = Ledger(directory)
    repair(ledger, told.append)
    ledger.close()

    assert {line.partition(":")[0] for line in told} == {RECOVERY_STATE, JOURNAL}
    for name in (RECOVERY_STATE, JOURNAL):
        assert (directory / "damaged" / name).read_bytes() == b"scrambled\n"


def test_refused_writer_holds_nothing(directory: Path, take_up: Callable[[], Ledger]) -> None:
    """A state of a newer Holdfast is refused each time, and the lock is free for that one."""
    take_up().close()
    path, later = directory / RECOVERY_STATE, Ledger(directory)
    (directory / f".{JOURNAL}.1.tmp").touch()
    record = {**json.loads(path.read_text()), "format_version": 2}
    path.write_text(json.dumps({**record, "crc32": facts_crc(record)}))
    with pytest.raises(RecoveryRefusedError):
        later.hold()
    assert not later.holding
    assert (directory / f".{JOURNAL}.1.tmp").exists()


def test_error_that_no_terminal_shows_is_recorded(
    directory: Path, take_up: Callable[[], Ledger]
) -> None:
    """A job may fail over a file whose name is not UTF-8; status and its text still say so."""
    take_up().failed(BEGUN, "OSError: cannot read 'a\udcff.png'")

    assert "a\\udcff.png" in (directory / "recovery_status.txt").read_text(encoding="utf-8")
    (failed,) = read_status(directory).with_state("failed", folds=False)
    assert failed.error == "OSError: cannot read 'a\udcff.png'"


def test_what_could_not_be_read_back_is_not_written(
    manager: CheckpointManager, trained: Trained, directory: Path
) -> None:
    """A value that would make a file count as damaged is refused, and what stands still stands."""
    manager.save_backbone_checkpoint(str(DONE), epoch=1, **trained.checkpoint())
    deep: list[object] = []
    for _ in range(50):
        deep = [deep]
    with pytest.raises(UsageError, match="the checkpoint of CustomRegNet has no usable history"):
        manager.save_backbone_checkpoint(
            str(DONE), epoch=2, history={"deep": deep}, **trained.checkpoint()
        )
    with pytest.raises(UsageError, match="job_completed cannot be recorded"):
        manager.mark_backbone_complete(str(OTHER), {"deep": deep})
    with pytest.raises(UsageError, match="moved cannot be recorded"):
        manager.save_pipeline_state({"current_epoch": "fifteen"})

    assert all(not file["fault"] for file in manager.verify()["files"])
    assert manager.get_completed_backbones() == []
