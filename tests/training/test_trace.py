"""The trace of a process under `holdfast prove`, and how it kills itself."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from holdfast.pipeline.proof.kills import BETWEEN_JOBS, INSIDE, Moment
from holdfast.pipeline.proof.traced import TraceReader
from holdfast.rundir import Journal, Position
from holdfast.training import trace
from holdfast.training.trace import digests
from tests.warm_python import WarmPython

LOOP = Path(__file__).parents[1] / "pipeline" / "proved_loop.py"
TRACED = "from holdfast.training import trace\ntrace.tracer = trace.Tracer({request})\n"
EFFECTS = [moment for moment in (*INSIDE, BETWEEN_JOBS) if moment.effect is not None]


@pytest.fixture(scope="module")
def python() -> Iterator[WarmPython]:
    """Starts processes."""
    with WarmPython() as python:
        yield python


def test_nothing_is_traced_unless_asked_for() -> None:
    """An ordinary process has no tracer: a step costs one look at None."""
    assert trace.tracer is None


@pytest.mark.parametrize(
    "value",
    [
        *(torch.zeros(5), torch.zeros((), dtype=torch.bfloat16), torch.zeros(3, dtype=torch.bool)),
        *(torch.zeros(2, 2).to_sparse(), torch.zeros(0), np.zeros(3), np.float32(0), 0.0, "text"),
    ],
    ids=str,
)
def test_every_value_has_a_digest(value: object) -> None:
    """Tensors of any kind, arrays, numbers and texts; other objects have none."""
    found = digests({"a": [value, {"b": value}]}, "batch")

    assert found.keys() == {"batch.a.0", "batch.a.1.b"}
    assert found["batch.a.0"] == found["batch.a.1.b"]
    assert digests([object()], "") == {}


def test_one_bit_changes_the_digest() -> None:
    """Of a weight, of its type, of its shape; but not of where it lies in memory."""
    weights = torch.arange(6, dtype=torch.float32).reshape(2, 3)
    changed = weights.clone()
    changed.view(torch.int32)[1, 2] ^= 1
    others = [changed, weights.reshape(3, 2), weights.view(torch.int32)]

    assert digests(weights.t().contiguous().t(), "w") == digests(weights, "w")
    assert all(digests(other, "w") != digests(weights, "w") for other in others)


@pytest.mark.parametrize("moment", EFFECTS, ids=lambda m: f"{m.effect} {m.pattern}")
def test_process_kills_itself_right_before_the_effect(
    python: WarmPython, tmp_path: Path, moment: Moment
) -> None:
    """A real SIGKILL, after the step and before the effect; the next start goes on."""
    directory, path = tmp_path / "run", tmp_path / "trace"
    at = ["steady", "head", 1, 2] if moment is not BETWEEN_JOBS else ["steady", "finetune", 1, 3]
    kill = {"at": at, "effect": moment.effect, "pattern": moment.pattern}
    code = TRACED.format(request={"trace": str(path), "kill": kill}) + LOOP.read_text()
    arguments = (str(LOOP), str(directory), "steady,second")

    assert python.start(code, tmp_path, arguments).wait() == -signal.SIGKILL
    reader = TraceReader(path)
    reader.read()
    assert reader.killed is not None
    assert at in [step.at for step in reader.steps]
    check_not_yet(moment.effect, directory, reader.killed)

    again = python.start(LOOP.read_text(), tmp_path, arguments)
    assert again.wait() == 0, again.output
    assert json.loads((directory / ".recovery_state.json").read_text())["results"].keys() == {
        *("steady", "second")
    }


def check_not_yet(effect: str | None, directory: Path, name: str) -> None:
    """The effect has not happened, and what comes before it has."""
    if name == "journal.jsonl":
        assert any(row["event"] == "epoch" for row in Journal(directory).read())
    elif effect in ("unlink", "sync_directory"):
        assert (directory / name).exists()
    else:
        assert not (directory / name).exists()
        assert list(directory.glob(f".{name}.*.tmp"))


def test_reader_waits_for_the_end_of_a_line(tmp_path: Path) -> None:
    """A line that is being written, or was torn by a kill, is not one yet."""
    line = json.dumps({"at": ["a", "head", 0, 1], "time": 1.0, "batch": {"x": "#1"}}) + "\n"
    path = tmp_path / "trace"
    reader = TraceReader(path)
    reader.read()
    assert reader.steps == []
    path.write_text(line + line[:30])
    reader.read()
    assert [step.key for step in reader.steps] == [("a", Position("head", 0, 1))]
    with path.open("a") as file:
        file.write(line[30:])
    reader.read()
    assert len(reader.steps) == 2
