"""Whatever bits of a run's files change: it is told, or it changes nothing."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holdfast.checkpoint import Ledger, make_record, read_pth
from holdfast.checkpoint.serialize import write_pth
from holdfast.rundir import (
    JOURNAL,
    KFOLD_PROGRESS,
    RECOVERY_STATE,
    JobName,
    Journal,
    Position,
    RecoveryState,
    checkpoint_path,
    fault,
    load_state,
)
from holdfast.status import read_status, verify
from tests.checkpoint.injury import same

JOB, HALF = JobName("CustomRegNet"), Position("head", 1, 5)
RUN_ID = "0" * 32
ONE_DIRECTORY = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
Change = Callable[[bytes], bytes]


@st.composite
def changes(draw: st.DrawFn) -> Change:
    """Draw what can happen to the bytes of a file, wherever they end."""
    kind = draw(st.sampled_from(["flip", "cut", "zero", "insert", "drop", "move"]))
    share, other = draw(st.floats(0, 1, exclude_max=True)), draw(st.floats(0, 1, exclude_max=True))
    bit, block = draw(st.integers(0, 7)), draw(st.binary(min_size=1, max_size=64))

    def change(data: bytes) -> bytes:
        start, end = sorted((int(share * len(data)), int(other * len(data)) + 1))
        if kind == "flip":
            return data[:start] + bytes([data[start] ^ 1 << bit]) + data[start + 1 :]
        middle = {"zero": bytes(end - start), "insert": block + data[start:end], "drop": b""}
        if kind == "cut":
            return data[:start]
        if kind == "move":
            return data[end:] + data[start:end] + data[:start]
        return data[:start] + middle[kind] + data[end:]

    return change


@dataclass(frozen=True)
class Written:
    """A small run and what it is known to hold."""

    directory: Path
    checkpoint: Path
    record: dict[str, Any]
    state: RecoveryState

    def change(self, name: str, change: Change) -> bool:
        """Change one file, the others being whole; tell whether anything differs."""
        path = self.directory / name
        whole = self._whole(path)
        path.write_bytes(changed := change(whole))
        return changed != whole

    def mend(self, name: str) -> None:
        """Put back what was written."""
        path = self.directory / name
        path.write_bytes(self._whole(path))

    def _whole(self, path: Path) -> bytes:
        copy = self.directory / "whole" / path.name
        if not copy.exists():
            copy.parent.mkdir(exist_ok=True)
            copy.write_bytes(path.read_bytes())
        return copy.read_bytes()


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """A run with one job complete and one checkpoint."""
    directory = tmp_path_factory.mktemp("run")
    ledger = Ledger(directory)
    ledger.plan({"stages": {"head": 2}}, [str(JOB), "CustomSwin"], {str(JOB): 2})
    ledger.identify()
    for done in (JobName("CustomSwin"), JobName(str(JOB), 1)):
        ledger.completed(done, {"final_accuracy": 0.5}, weights=False)
    path, model = checkpoint_path(directory, JOB, HALF), torch.nn.Linear(3, 2)
    record = make_record(JOB, HALF, model=model.state_dict(), history={"loss": [0.5]})
    record["run_id"] = ledger.run_id
    write_pth(path, record)
    ledger.moved(JOB, HALF)
    state = ledger.state
    ledger.close()
    return Written(directory, path, record, state)


@ONE_DIRECTORY
@given(change=changes())
def test_changed_checkpoint_is_named_or_the_same(written: Written, change: Change) -> None:
    """A change anywhere in a .pth is a fault, or no tensor and no value differs."""
    written.change(written.checkpoint.name, change)

    if fault(written.checkpoint, written.record["run_id"]) is None:
        assert same(read_pth(written.checkpoint), written.record)


@ONE_DIRECTORY
@given(change=changes())
@pytest.mark.parametrize("name", [RECOVERY_STATE, KFOLD_PROGRESS])
def test_changed_json_is_named_or_the_same(written: Written, name: str, change: Change) -> None:
    """The state is what it was, from the journal where the file is damaged, which is named."""
    other = written.change(name, change)
    try:
        state = load_state(written.directory)
        bad = {report.name for report in verify(written.directory).damaged}
        said = read_status(written.directory)
        told = _facts(written.directory / name) == _facts(written.directory / "whole" / name)
    finally:
        written.mend(name)

    assert state is not None
    assert replace(state, timestamp="") == replace(written.state, timestamp="")
    assert said.completed == 1
    assert name in bad or not other or told


@ONE_DIRECTORY
@given(change=changes())
def test_changed_journal_adds_nothing(written: Written, change: Change) -> None:
    """No record is read that was not written, and what the files know stays known."""
    known = Journal(written.directory).read()
    written.change(JOURNAL, change)
    try:
        left = Journal(written.directory).read()
        state = load_state(written.directory)
        verify(written.directory)
    finally:
        written.mend(JOURNAL)

    assert all(record in known for record in left)
    assert state is not None
    assert state.results == written.state.results


def _facts(path: Path) -> Any:
    try:
        facts = json.loads(path.read_bytes())
    except ValueError:
        return None
    return isinstance(facts, dict) and {**facts, "timestamp": ""}
