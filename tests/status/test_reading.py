"""All that can be seen of a run in one look: for the command, for notebooks, for the watcher."""

import sys
from pathlib import Path

import pytest

from holdfast.checkpoint import Ledger
from holdfast.errors import UsageError
from holdfast.rundir import JobName, RecoveryState, save_state
from holdfast.status import JobStatus, no_run, read_run, render_text
from holdfast.status.past import _END
from tests.status.test_past import A, B, half_way
from tests.status.whole import write_whole

__all__ = ["half_way"]  # a fixture of the neighbour's


def begun(half_way: Path) -> Path:
    """Let B be in training, by its files."""
    write_whole(half_way / f"{B}_finetune_epoch1.pth")
    return half_way


def test_time_left_is_told_where_it_is_known(half_way: Path, tmp_path: Path) -> None:
    """The same figure in the status, its JSON and its text; none where nothing tells."""
    status = read_run(begun(half_way))
    assert status.time_left == 210.0
    assert status.to_json()["time_left"] == 210.0
    assert "Left:       about 3.5 min of training\n" in render_text(status)

    empty = tmp_path / "empty"
    empty.mkdir()
    assert read_run(empty).time_left is None
    assert "Left:" not in render_text(read_run(empty))


def test_job_in_training_tells_its_last_epoch(half_way: Path) -> None:
    """What is measured so far is there, apart from results."""
    ledger = Ledger(half_way)
    ledger.epochs_ended(B, [{"stage": "finetune", "epoch": 4, "val_acc": 0.5}])
    ledger.close()
    jobs = {job.job: job for job in read_run(begun(half_way)).jobs}
    assert (jobs[str(B)].accuracy, jobs[str(B)].score("final_accuracy")) == (0.5, None)
    assert jobs[str(A)].measured == {}


def test_only_the_journals_end_is_read_for_it(half_way: Path) -> None:
    """A journal of any length costs the same: what stands far before its end is not looked at."""
    path = begun(half_way) / "journal.jsonl"
    text = path.read_bytes()
    filler = b'{"time": "2026-01-01T00:00:00", "event": "epoch", "job": "other"}\n'
    path.write_bytes(text + filler * (_END // len(filler) + 1))
    assert read_run(half_way).time_left != 210.0
    path.write_bytes(filler * (_END // len(filler) + 1) + text)
    assert read_run(half_way).time_left == 210.0


def test_place_that_is_none_is_refused(tmp_path: Path) -> None:
    """A name that leads nowhere is a fault, not an empty run."""
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="none: no such directory"):
        read_run(tmp_path / "none")
    with pytest.raises(UsageError, match="file: is a file; name the run's directory"):
        read_run(str(tmp_path / "file"))


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A run whose error quotes a file that wants to be HTML."""
    state = RecoveryState(backbones=["a", "b", "c"], folds={"a": 2})
    state.results = {
        JobName("a"): {"final_accuracy": 0.5, "f1": 0.25, "roc_auc": "odd"},
        JobName("a", 1): {"final_accuracy": 0.75},
    }
    state.failed = {JobName("b"): "<script>alert(1)</script> & \x1b[31m"}
    save_state(tmp_path, state)
    return tmp_path


def test_html_is_escaped_and_whole(hostile: Path) -> None:
    """A table with every backbone; nothing that comes from files is HTML, or steers a terminal."""
    html = read_run(hostile)._repr_html_()
    for words in (
        ">✓ a</td>",
        ">0.5000</td>",
        ">0.2500</td>",
        ">0.750 (1/2)</td>",
        ">✗ b</td>",
        ">· c</td>",
        "Complete:   1 of 3 backbones, 1 of 2 folds",
        "✗ b: &lt;script&gt;alert(1)&lt;/script&gt; &amp; \\x1b[31m",
    ):
        assert words in html, html
    assert "<script" not in html
    assert "\x1b" not in html


def test_html_of_no_run_says_so(tmp_path: Path) -> None:
    """An empty directory is one line."""
    assert read_run(tmp_path)._repr_html_() == f"<p>{tmp_path}: no run is recorded here</p>"


def test_printed_status_is_the_report(half_way: Path, tmp_path: Path) -> None:
    """Who prints it in a script reads what the command says, not a record's fields."""
    status = read_run(begun(half_way))
    assert f"{status}\n" == render_text(status)
    (tmp_path / "empty").mkdir()
    empty = read_run(tmp_path / "empty")
    assert str(empty) == no_run(str(tmp_path / "empty"))
    assert str(empty).startswith(f"{tmp_path / 'empty'}: no run is recorded here; ")


def test_frame_has_a_row_for_each_job(hostile: Path, tmp_path: Path) -> None:
    """Numbers are numbers, what is not there yet is missing, and an empty run is an empty frame."""
    pandas = pytest.importorskip("pandas")
    frame = read_run(hostile).to_frame()
    assert list(frame.index) == ["a", "b", "c", "a_fold1", "a_fold2"]
    assert frame.loc["a", "accuracy"] == 0.5
    assert frame.loc["a_fold1", "fold"] == 1
    assert frame["roc_auc"].isna().all()
    assert frame["accuracy"].mean() == 0.625
    assert frame.loc["b", "state"] == "failed"
    assert isinstance(frame, pandas.DataFrame)
    (tmp_path / "empty").mkdir()
    assert len(read_run(tmp_path / "empty").to_frame()) == 0


def test_missing_pandas_is_one_line(hostile: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It names the extra that has it."""
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(UsageError, match=r"needs pandas: pip install 'holdfast\[notebook\]'"):
        read_run(hostile).to_frame()


def test_a_job_without_a_result_has_no_accuracy() -> None:
    """Nothing is made up for it."""
    assert JobStatus("a", "a", None, "pending").accuracy is None
