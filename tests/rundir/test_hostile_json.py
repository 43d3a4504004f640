"""Rung 8 of the crash tests: whatever the JSON of a run says, a clear line or a rebuild."""

import contextlib
import io
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path

import pytest

from holdfast.checkpoint import Ledger, repair
from holdfast.cli.status import show_status
from holdfast.cli.verify import verify_run
from holdfast.errors import RecoveryRefusedError
from holdfast.rundir import JOURNAL, JobName, Position, RecoveryState, load_state
from holdfast.rundir.spread import facts_crc
from holdfast.status import verify
from tests.rundir.hostile_json import FILES, hostile_files, hostile_journals
from tests.status.whole import write_whole

REGNET, SWIN = JobName("CustomRegNet"), JobName("CustomSwin")
RUN = {
    "stages": {"head": 2, "finetune": 3},
    "machine": {"threads": 1},
    "settings": {str(REGNET): {}},
}


STRIDE = 1 if os.environ.get("HOLDFAST_DEEP") else 9  # of all versions; shares no factor with them


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A run with each kind of record in its journal; something stands beside it."""
    (tmp_path / "outside").write_text("not ours")
    ledger = Ledger(tmp_path / "run")
    ledger.identify()
    ledger.plan(RUN, [str(REGNET), str(SWIN)], {str(REGNET): 2})
    ledger.entered(SWIN, None)
    ledger.failed(SWIN, "TrainingDivergedError: the loss became nan")
    ledger.entered(SWIN, Position("head", 1))
    ledger.agree_on_epochs(SWIN, [{"stage": "head", "epoch": 1, "val_acc": 0.5}])
    ledger.completed(REGNET, {"final_accuracy": 0.9, "f1": 0.8}, 1.5, weights=False)
    ledger.completed(JobName(str(REGNET), 1), {"final_accuracy": 0.8}, weights=False)
    ledger.journal.append("pipeline_state", extra={"note": "hello"})
    ledger.publish()
    ledger.close()
    (tmp_path / "run" / "recovery_status.txt").unlink()
    return tmp_path / "run"


def look_and_take_up(directory: Path) -> RecoveryState | None:
    """Do what the commands do, short of training: status, verify, and what a start begins with."""
    with contextlib.redirect_stdout(io.StringIO()) as output:
        show_status(directory, False)
        show_status(directory, True)
        verify_run(directory)
        verify_run(directory, as_json=True)
    output.getvalue().encode()  # a terminal can be given it
    told: list[str] = []
    ledger = Ledger(directory)
    try:
        repair(ledger, told.append)
        ledger.plan(ledger.state.run, [str(REGNET), str(SWIN)], {str(REGNET): 2})
        ledger.entered(SWIN, Position(ledger.stages[0], 0))
        ledger.completed(SWIN, {"final_accuracy": 0.7}, weights=False)
    finally:
        ledger.close()
    assert all(line.isprintable() for line in told)
    assert {report.fault for report in verify(directory).damaged} <= {"not there"}  # its weights
    return load_state(directory)


def survives(directory: Path, name: str, versions: Iterable[tuple[str, bytes]]) -> int:
    """Put each version of a file into a copy, look, take up; return how many there were."""
    count, beside = 0, sorted(directory.parent.iterdir())
    for kind, data in islice(versions, 0, None, STRIDE):
        count += 1
        copy = directory.parent / "copy" / "run"
        shutil.copytree(directory, copy)
        (copy / name).write_bytes(data)
        try:
            look_and_take_up(copy)
        except RecoveryRefusedError as refused:
            assert "newer Holdfast" in str(refused), kind
        except Exception as error:
            raise AssertionError(f"{name}, {kind}") from error
        assert [path.name for path in copy.parent.iterdir()] == ["run"], kind
        shutil.rmtree(copy.parent)
    assert sorted(directory.parent.iterdir()) == beside
    return count


@pytest.mark.parametrize("name", FILES)
def test_hostile_file_is_a_clear_line_or_a_rebuild(name: str, directory: Path) -> None:
    """Any value in any field, sum right or wrong: never a traceback, nothing outside touched."""
    assert survives(directory, name, hostile_files(directory, name)) > 150 / STRIDE


def test_hostile_journal_is_a_clear_line_or_a_rebuild(directory: Path) -> None:
    """The same for each field of each kind of line."""
    assert survives(directory, JOURNAL, hostile_journals(directory)) > 500 / STRIDE


@pytest.mark.parametrize("name", FILES)
def test_future_format_is_refused_and_nothing_moves(name: str, directory: Path) -> None:
    """A state that a later Holdfast wrote is left to it: exit code 3, one line, no effect."""
    record = {**json.loads((directory / name).read_bytes()), "format_version": 99}
    (directory / name).write_text(json.dumps({**record, "crc32": facts_crc(record)}))
    before = contents(directory)
    refusal = r"json: written by a newer Holdfast \(format 99, this one reads up to 1\); upgrade"

    commands: list[Callable[[], object]] = [
        lambda: show_status(directory, False),
        lambda: verify_run(directory),
        lambda: verify_run(directory, repair=True),
        lambda: repair(Ledger(directory), print),
    ]
    for command in commands:
        with pytest.raises(RecoveryRefusedError, match=refusal) as refused:
            command()
        assert refused.value.exit_code == 3
        assert contents(directory) == before


def contents(directory: Path) -> dict[str, bytes]:
    return {
        path.name: path.read_bytes()
        for path in directory.iterdir()
        if not path.name.startswith(".lock")
    }


@pytest.fixture
def odd_names(directory: Path) -> Iterator[Path]:
    """The run with names in it that are not ours, or hardly names at all."""
    (directory / "a\nb_head_epoch1.pth").touch()
    (directory / "../outside_best.pth").touch()
    (directory / "\udcff_head_epoch1.pth").touch()
    (directory / "\x1b[2J_best.pth").touch()
    (directory / ("x" * 200 + "_head_epoch1.pth")).touch()
    (directory / f"CustomRegNet_head_epoch{'9' * 100}.pth").touch()
    (directory / "CustomRegNet_fold٣_head_epoch1.pth").touch()
    (directory / "image_cache").write_text("a file")
    yield directory


def test_names_that_are_not_ours_are_let_be(odd_names: Path) -> None:
    """Files whose names no checkpoint of a run can have are neither judged nor moved."""
    strange = {path.name for path in odd_names.iterdir()}
    (odd_names / ("x" * 200 + "_head_epoch1.pth")).unlink()
    write_whole(odd_names / ("x" * 200 + "_head_epoch1.pth"))

    look_and_take_up(odd_names)
    moved = {path.name for path in (odd_names / "damaged").iterdir()}
    assert {name for name in moved if not name.endswith(".reason.txt")} == {
        "x" * 200 + "_head_epoch1.pth"
    }
    assert strange - {path.name for path in odd_names.iterdir()} == {"x" * 200 + "_head_epoch1.pth"}
