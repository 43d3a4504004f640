"""Books follow what others write, and files that lag behind the journal cost nothing."""

import json
import zlib
from pathlib import Path

import pytest

from holdfast.checkpoint import Ledger
from holdfast.rundir import (
    JOURNAL,
    KFOLD_PROGRESS,
    RECOVERY_STATE,
    Books,
    JobName,
    Journal,
    Position,
    find_faults,
    read_sources,
)
from holdfast.rundir import load_state as read
from holdfast.status import read_status

MANY = 9000
NET = JobName("net")


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """A run of many jobs, the first of which has begun."""
    ledger = Ledger(tmp_path)
    ledger.identify()
    ledger.plan({"stages": {"head": 9}}, [str(NET)], {str(NET): MANY})
    ledger.entered(NET, None)
    return ledger


def written(directory: Path) -> tuple[int, ...]:
    return tuple((directory / name).stat().st_ino for name in (RECOVERY_STATE, KFOLD_PROGRESS))


def test_state_files_of_many_jobs_are_not_written_at_each_save(
    ledger: Ledger, tmp_path: Path
) -> None:
    """A save is a line of the journal; all who read know it at once; the end writes it down."""
    before = written(tmp_path)
    for epoch in range(1, 6):
        ledger.epochs_ended(NET, [{"stage": "head", "epoch": epoch, "val_acc": 0.5}])
        assert (read(tmp_path).current_job, read(tmp_path).current_epoch) == (NET, epoch)
        assert read_status(tmp_path).current_epoch == epoch
    assert written(tmp_path) == before
    ledger.completed(NET, {"final_accuracy": 0.5}, 3.0, weights=False)
    assert Ledger(tmp_path).state.results == {NET: {"final_accuracy": 0.5}}
    ledger.close()
    assert written(tmp_path) != before
    (tmp_path / JOURNAL).unlink()
    assert read(tmp_path).results == {NET: {"final_accuracy": 0.5}}


def test_damaged_line_does_not_hide_what_the_files_have_not_heard_of(
    ledger: Ledger, tmp_path: Path
) -> None:
    """Of a journal ahead of the files, a damaged line costs what it said and nothing before it."""
    folds = [JobName("net", fold) for fold in (1, 2, 3)]
    for fold in folds:
        ledger.completed(fold, {"final_accuracy": 0.5}, weights=False)
    lines = (tmp_path / JOURNAL).read_bytes().splitlines(keepends=True)
    lines[-2] = lines[-2].replace(b"0.5", b"0.6")
    (tmp_path / JOURNAL).write_bytes(b"".join(lines))

    assert read(tmp_path).results.keys() == {folds[0], folds[2]}


def test_ledger_sees_what_anybody_else_appends_or_rewrites(ledger: Ledger, tmp_path: Path) -> None:
    """Another ledger's word, and a line from past all ledgers, count for the next answer."""
    Ledger(tmp_path).failed(NET, "ValueError: no")
    assert ledger.state.failed == {NET: "ValueError: no"}
    Journal(tmp_path).append("job_resumed", job=str(NET), stage="head", epoch=4, step=0)
    assert (ledger.state.failed, ledger.state.current_epoch) == ({}, 4)
    Journal(tmp_path).rewrite(lambda record: record["event"] != "run_planned")
    (tmp_path / RECOVERY_STATE).unlink()
    assert ledger.state.backbones == []


def test_changing_what_one_is_given_changes_nothing(ledger: Ledger) -> None:
    """The state that a ledger gives away is the caller's own."""
    ledger.state.results[NET] = {}
    ledger.state.folds.clear()
    assert (ledger.state.results, ledger.state.folds) == ({}, {str(NET): MANY})


def test_few_jobs_are_written_down_at_each_move(tmp_path: Path) -> None:
    """With few jobs the files are never behind."""
    ledger = Ledger(tmp_path)
    ledger.plan({}, [str(NET)], {})
    for epoch in (1, 2):
        before = written(tmp_path)
        ledger.moved(NET, Position("head", epoch))
        assert written(tmp_path) != before
    ledger.close()


def vouched(directory: Path) -> tuple[int | None, int | None]:
    record = json.loads((directory / KFOLD_PROGRESS).read_text())
    return record["journal_size"], record["journal_crc32"]


def test_files_vouch_for_the_journal_as_it_is(ledger: Ledger, tmp_path: Path) -> None:
    """Its size and sum, kept up as it grows and as it is written anew, are those of its bytes."""
    for epoch in (1, 2):
        ledger.epochs_ended(NET, [{"stage": "head", "epoch": epoch, "val_acc": 0.5}])
    ledger.publish()
    data = (tmp_path / JOURNAL).read_bytes()
    assert vouched(tmp_path) == (len(data), zlib.crc32(data))
    ledger.agree_on_epochs(NET, [{"stage": "head", "epoch": 1}])
    ledger.publish()
    shorter = (tmp_path / JOURNAL).read_bytes()
    assert len(shorter) < len(data)
    assert vouched(tmp_path) == (len(shorter), zlib.crc32(shorter))


@pytest.mark.parametrize("noticed", [True, False])
def test_damaged_line_is_not_vouched_for(noticed: bool, ledger: Ledger, tmp_path: Path) -> None:
    """What is damaged while a run goes on, and what it goes on to write, do not agree after it."""
    ledger.epochs_ended(NET, [{"stage": "head", "epoch": 1, "val_acc": 0.5}])
    ledger.publish()
    data = (tmp_path / JOURNAL).read_bytes()
    (tmp_path / JOURNAL).write_bytes(data.replace(b"0.5", b"0.6"))
    assert not noticed or ledger.state.current_job == NET
    ledger.epochs_ended(NET, [{"stage": "head", "epoch": 2, "val_acc": 0.5}])
    ledger.publish()
    assert not noticed or vouched(tmp_path)[1] is None
    assert JOURNAL in find_faults(read_sources(tmp_path))


def test_damage_to_what_was_vouched_for_is_named(ledger: Ledger, tmp_path: Path) -> None:
    """A flipped bit in any old line is found, though nobody reads an old epoch again."""
    for epoch in range(1, 4):
        ledger.epochs_ended(NET, [{"stage": "head", "epoch": epoch, "val_acc": 0.5}])
    ledger.close()
    data = (tmp_path / JOURNAL).read_bytes()
    assert find_faults(read_sources(tmp_path)) == {}
    for at in range(0, data.rindex(b"\n", 0, -1), 7):
        damaged = bytearray(data)
        damaged[at] ^= 1
        (tmp_path / JOURNAL).write_bytes(damaged)
        assert JOURNAL in find_faults(read_sources(tmp_path)), at


def test_vouched_epochs_are_counted_for_their_jobs(ledger: Ledger, tmp_path: Path) -> None:
    """A start that does not read old epochs again knows how many there are of each job."""
    other = JobName("net", 7)
    for job, count in ((NET, 3), (other, 2)):
        for epoch in range(1, count + 1):
            ledger.epochs_ended(job, [{"stage": "head", "epoch": epoch}])
    ledger.close()
    ledger.epochs_ended(other, [{"stage": "head", "epoch": 3}])
    counts = Books(tmp_path)
    assert counts.epochs == {str(NET): 3, str(other): 3}
    assert [r["event"] for r in counts.records].count("job_started") == 1
