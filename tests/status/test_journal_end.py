"""Status reads the journal from where the state files know it to, and all of it in any doubt."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from holdfast.checkpoint import Ledger
from holdfast.rundir import JOURNAL, KFOLD_PROGRESS, RECOVERY_STATE, JobName, Journal, Position
from holdfast.rundir.spread import facts_crc
from holdfast.status import Status, read_status, render_text

NET, FOLD, LATER = JobName("net"), JobName("net", 1), JobName("net", 401)
RESULT = {"final_accuracy": 0.5, "confusion_matrix": [[3, 1], [0, 4]], "stages": {"head": 9}}


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A run of many jobs, two of them complete; the files have not heard of the third."""
    ledger = Ledger(tmp_path)
    ledger.identify()
    ledger.plan({"stages": {"head": 9}}, ["net"], {"net": 9000})
    for job in (NET, FOLD):
        ledger.entered(job, None)
        ledger.epochs_ended(job, [{"stage": "head", "epoch": 1, "val_acc": 0.5}])
        ledger.entered(job, Position("head", 1))
        ledger.completed(job, RESULT, 7.5, weights=False)
    ledger.publish()
    for _ in range(2):
        ledger.entered(LATER, Position("head", 3))
    ledger.completed(LATER, RESULT, 2.0, weights=False)
    return tmp_path


def told(status: Status) -> list[tuple[int, float]]:
    jobs = {job.job: job for job in status.jobs}
    return [(jobs[str(job)].interruptions, jobs[str(job)].seconds) for job in (NET, FOLD, LATER)]


TOLD = [(1, 7.5), (1, 7.5), (2, 2.0)]


def hollow(directory: Path) -> None:
    """Leave of the journal only what follows the line that the files know."""
    size = json.loads((directory / KFOLD_PROGRESS).read_text())["journal_size"]
    path = directory / JOURNAL
    data = path.read_bytes()
    path.write_bytes(b"x" * (size - 30) + data[size - 30 :])


def test_only_the_journals_end_is_read(directory: Path) -> None:
    """What the files know of is not read again, and adds up with what follows it."""
    whole = read_status(directory)
    assert (told(whole), whole.current_backbone) == (TOLD, None)
    hollow(directory)
    assert read_status(directory) == whole


def test_files_of_before_are_read_as_they_were(directory: Path) -> None:
    """State files that do not say where their line ends: the whole journal is read."""
    whole = read_status(directory)
    change(directory / KFOLD_PROGRESS, drop=("journal_size", "interruptions", "seconds"))
    assert read_status(directory) == whole


def change(path: Path, drop: tuple[str, ...] = (), **fields: object) -> None:
    record = json.loads(path.read_text()) | fields
    record = {key: value for key, value in record.items() if key not in drop}
    path.write_text(json.dumps({**record, "crc32": facts_crc(record)}))


def other_end(directory: Path) -> None:
    change(directory / KFOLD_PROGRESS, journal_size=100)


def beyond(directory: Path) -> None:
    change(directory / KFOLD_PROGRESS, journal_size=10**9)


def other_marks(directory: Path) -> None:
    change(directory / RECOVERY_STATE, journal_mark=1)


def odd_sums(directory: Path) -> None:
    change(directory / KFOLD_PROGRESS, seconds={"net": "long"})


def rewritten(directory: Path) -> None:
    Journal(directory).rewrite(lambda record: record["event"] != "epoch")


def lost_file(directory: Path) -> None:
    (directory / RECOVERY_STATE).unlink()


@pytest.mark.parametrize("doubt", [other_end, beyond, other_marks, odd_sums, rewritten, lost_file])
def test_in_doubt_the_whole_journal_is_read(doubt: Callable[[Path], None], directory: Path) -> None:
    """Where file and journal do not agree on where that line ends, nothing is told wrongly."""
    whole = read_status(directory)
    doubt(directory)
    found = read_status(directory)
    assert told(found) == TOLD
    assert replace(found, timestamp="") == replace(whole, timestamp="")


def test_copy_of_an_old_line_at_the_end_counts_for_nothing(directory: Path) -> None:
    """A line that the disk gives twice was written once, wherever the other one stands."""
    whole = read_status(directory)
    path = directory / JOURNAL
    lines = path.read_bytes().splitlines(keepends=True)
    (old,) = [n for n in lines if b"job_resumed" in n and json.loads(n)["job"] == "net"]
    path.write_bytes(b"".join([*lines, old]))
    assert told(read_status(directory)) == TOLD
    assert read_status(directory).current_backbone == whole.current_backbone


def test_text_needs_no_whole_results(directory: Path) -> None:
    """With only what is shown of the folds' results, the text is the same."""
    short, whole = (read_status(directory, whole_results=whole) for whole in (False, True))
    assert render_text(short) == render_text(whole)
    (cut,) = [job.result for job in short.jobs if job.job == str(FOLD)]
    assert cut == {key: RESULT[key] for key in ("final_accuracy", "stages")}
    assert all(job.result == RESULT for job in whole.jobs if job.job == str(FOLD))


def test_damaged_results_are_not_skimmed(directory: Path) -> None:
    """One flipped bit in a fold's result, and the journal is asked, also where little is shown."""
    path = directory / KFOLD_PROGRESS
    path.write_bytes(path.read_bytes().replace(b"[[3, 1], [0, 4]]", b"[[3, 1], [0, 5]]", 1))
    status = read_status(directory, whole_results=False)
    assert told(status) == TOLD
    assert all(job.result == RESULT for job in status.jobs if job.result)
