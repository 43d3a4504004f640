"""What a job tells of itself, from wherever it trains."""

import inspect
from pathlib import Path
from typing import Any

import pytest

from holdfast.checkpoint import JobLedger, Ledger, SentLedger, write_down
from holdfast.errors import UsageError
from holdfast.rundir import JobName, Position

JOB = JobName("small", 2)
ROW = {"stage": "head", "epoch": 1, "train_loss": 0.5, "val_acc": 0.75}
METHODS = sorted(name for name in vars(JobLedger) if name[0] != "_" and name != "changes_in")


def train_a_little(ledger: JobLedger) -> None:
    """Tell everything that a job may tell, in an order that happens."""
    ledger.remember_stages({"head": 1, "finetune": 2})
    ledger.entered(JOB, None)
    ledger.noted_damage("small_fold2_head_epoch1.pth", "truncated")
    rows = [dict(ROW)]
    ledger.epochs_ended(JOB, rows)
    assert rows == []
    ledger.moved(JOB, Position("finetune", 0))
    ledger.interrupted(JOB, "small_fold2, finetune epoch 0")
    ledger.entered(JOB, Position("finetune", 0))
    ledger.agree_on_epochs(JOB, [dict(ROW)])
    ledger.failed(JOB, "OSError: no")
    ledger.completed(JOB, {"accuracy": 1.0}, 2.5, weights=False)


def facts(directory: Path) -> list[dict[str, Any]]:
    """Return a journal without its times."""
    records = Ledger(directory).journal.read()
    unlike = ("time", "run_id", "boot_id", "crc32")
    return [{k: v for k, v in record.items() if k not in unlike} for record in records]


def test_what_is_sent_is_written_as_if_it_had_been_told_here(tmp_path: Path) -> None:
    """A job in another process leaves the journal that it would have left in this one."""
    here, there = Ledger(tmp_path / "here"), Ledger(tmp_path / "there")
    train_a_little(here)
    sent: list[tuple[str, tuple[Any, ...]]] = []
    train_a_little(SentLedger(tmp_path / "there", [], lambda *told: sent.append(told)))
    for event, told in sent:
        write_down(there, event, told)
    here.close()
    there.close()

    assert {event for event, _ in sent} == set(METHODS)
    assert facts(tmp_path / "there") == facts(tmp_path / "here")


def test_a_job_cannot_tell_what_is_not_its_own(tmp_path: Path) -> None:
    """Whoever writes down what is sent does nothing else for the sender."""
    ledger = Ledger(tmp_path)
    for event in ("reset", "plan", "close", "journal", "_take_up", "changes_in"):
        with pytest.raises(UsageError, match=f"no job tells '{event}'"):
            write_down(ledger, event, ())
    assert list(tmp_path.iterdir()) == []


def test_a_sent_ledger_takes_what_a_ledger_takes() -> None:
    """The two have the same methods with the same parameters."""
    for name in [*METHODS, "changes_in"]:
        mine, theirs = (inspect.signature(getattr(kind, name)) for kind in (Ledger, SentLedger))
        assert mine == theirs, name
