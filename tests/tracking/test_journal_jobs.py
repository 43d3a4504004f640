"""What other tools are told is what the journal says, whenever it is read."""

from pathlib import Path

import pytest

from holdfast.rundir import Journal, Record
from holdfast.tracking.journal_jobs import JournalJobs
from tests.tracking.journals import NET, Training


def test_what_is_appended_while_it_is_read_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record that comes between the look at the stamp and the reading does not count twice."""
    training = Training(tmp_path)
    training.begin(NET)
    training.epochs(NET, 1, 2, 3)
    jobs, read = JournalJobs(tmp_path), Journal.read

    def read_late(journal: Journal) -> list[Record]:
        monkeypatch.undo()
        training.resume(NET, "finetune", 1)
        return read(journal)

    monkeypatch.setattr(Journal, "read", read_late)
    assert jobs.look()
    jobs.look()
    training.epochs(NET, 4)
    jobs.look()

    log = jobs.log(NET)
    assert log is not None
    assert [note.what for note in log.notes] == ["interruption"]
    assert log.step == 4


def test_an_extension_is_told_as_one(tmp_path: Path) -> None:
    """More epochs of a complete job are no interruption; a kill after that is one."""
    training = Training(tmp_path)
    training.whole(NET)
    training.resume(NET, "finetune", 3)
    training.resume(NET, "finetune", 3, step=2)
    jobs = JournalJobs(tmp_path)
    jobs.look()

    log = jobs.log(NET)
    assert log is not None
    assert [(note.what, note.text) for note in log.notes] == [
        ("extension", "was complete; went on from finetune epoch 3"),
        ("interruption", "died; went on from finetune epoch 4, step 2"),
    ]
