"""Checkpoints written beside the training: whole, one at a time, and none of them lost."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from holdfast.checkpoint import Snapshot, key_of, read_pth
from holdfast.errors import UsageError
from holdfast.rundir import JobName, Position
from holdfast.storage import disk
from holdfast.training import Run
from holdfast.training.pace import Pace
from tests.training.conftest import STAGES, Stopped, make_data, make_model, train_job

OpenRun = Callable[..., Run]
WIDTH = 2000  # long enough to write that the next step wants to change it meanwhile


class Stamping(torch.optim.Optimizer):
    """Writes the number of the step into every parameter, and into a state of its own."""

    def __init__(self, parameters: Any) -> None:
        super().__init__(parameters, {})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Change all that an optimizer changes, in place and past the version counters."""
        for parameter in self.param_groups[0]["params"]:
            state = self.state[parameter]
            state.setdefault("moment", torch.zeros_like(parameter)).data.add_(1)
            parameter.data.add_(1)


class Stamped(nn.Module):
    """A module whose forward pass changes a buffer, as BatchNorm's does."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = nn.ParameterList([nn.Parameter(torch.zeros(WIDTH, 64)) for _ in range(8)])
        self.body = nn.Linear(WIDTH, 64).requires_grad_(False)
        self.register_buffer("statistics", torch.zeros(WIDTH))

    def forward(self, inputs: Tensor) -> Tensor:
        """Change the buffer right away, as a forward pass beside a save does."""
        self.statistics.data.add_(1)
        return inputs.sum()


class Own:
    """Something of the user's own, changed after the step, in any way."""

    def __init__(self) -> None:
        self.tensor, self.numbers = torch.zeros(WIDTH), {"steps": [0]}

    def state_dict(self) -> dict[str, Any]:
        """Hand out the very tensor, as many do."""
        return {"tensor": self.tensor, "numbers": self.numbers}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take it back."""
        self.tensor.copy_(state["tensor"])
        self.numbers = state["numbers"]


def slowly(effect: disk.Effect) -> None:
    """Let each write of a checkpoint take longer than a step."""
    if effect.kind == disk.WRITE and ".pth" in effect.path.name and len(effect.data) > 10_000:
        time.sleep(0.002)


def stamp_steps(run: Run, frozen: bool = True) -> None:
    """Train a job in which everything that is saved counts the steps."""
    model, own = Stamped(), Own()
    optimizer = Stamping(list(model.weights))
    with run.job("net", state={"model": model, "optimizer": optimizer, "own": own}) as job:
        for stage in job.stages({"head": 2, "finetune": 2}):
            for _ in stage.epochs(frozen=model.body.parameters() if frozen else ()):
                for inputs, labels in stage.batches(make_data(), batch_size=5):
                    model(inputs)
                    optimizer.step()
                    own.tensor += 1
                    own.numbers["steps"][0] += 1
                    job.step(samples=len(labels), loss=0.5)
                stage.end_epoch(accuracy=0.5)
        job.complete(accuracy=0.5)


@pytest.mark.parametrize("save_interval", [0.0, None])
def test_no_checkpoint_is_torn(save_interval: float | None, open_run: OpenRun) -> None:
    """Every tensor and number in every checkpoint is of one and the same step."""
    run = open_run(save_interval=save_interval, keep_latest=100, overhead=1.0)
    with disk.watching(slowly):
        stamp_steps(run)

    files = run.store.newest_first(JobName("net"))
    assert len(files) >= 6
    for file in files:
        record = read_pth(file.path)
        step = torch.tensor(_steps(file.position))
        model, own = record["model_state_dict"], record["objects"]["own"]
        changing = [tensor for key, tensor in model.items() if not key.startswith("body")]
        moments = [state["moment"] for state in record["optimizer_state"]["state"].values()]
        for tensor in (*changing, *moments, own["tensor"]):
            assert (tensor == step).all(), f"{file.path.name} is torn"
        assert own["numbers"]["steps"] == [step]


def _steps(position: Position) -> int:
    epochs = position.epoch + (2 if position.stage == "finetune" else 0)
    return epochs * 5 + position.step


def test_slow_disk_queues_nothing(open_run: OpenRun) -> None:
    """Where writing takes longer than an epoch, the newest state is written, not each."""
    began: list[str] = []

    def write(effect: disk.Effect) -> None:
        if effect.kind == disk.CREATE and ".pth" in effect.path.name:
            began.append(effect.path.name)
            time.sleep(0.3)

    run = open_run(save_interval=None, keep_latest=100, overhead=1.0)
    with disk.watching(write):
        stamp_steps(run)

    checkpoints = {str(file.path.name) for file in run.store.newest_first(JobName("net"))}
    ends = {f"net_{stage}_epoch{n}.pth" for stage in ("head", "finetune") for n in (0, 2)}
    assert ends <= checkpoints, "the beginning and the end of a stage are always written"
    assert len(began) < 12, "of 20 steps"
    rows = [record for record in run.ledger.journal.read() if record["event"] == "epoch"]
    assert [(row["stage"], row["epoch"]) for row in rows] == [
        *(("head", 1), ("head", 2), ("finetune", 1), ("finetune", 2))
    ]


def test_same_bits_whatever_the_pace(open_run: OpenRun) -> None:
    """When checkpoints are made changes nothing of what is trained."""
    ends = []
    for name, settings in {
        "each": {"save_interval": 0.0},
        "tuned": {"save_interval": None},
        "never": {"save_interval": 1e9},
    }.items():
        run, model = open_run(name, **settings), make_model()
        with run.job("net", state={"model": model}) as job:
            train_job(job, model, monitor="accuracy")
            job.complete(accuracy=1.0)
        ends.append((model.state_dict(), job.history))
    for state, history in ends[1:]:
        assert all(torch.equal(state[key], ends[0][0][key]) for key in state)
        assert history == ends[0][1]


def test_fault_of_the_writer_ends_the_training(open_run: OpenRun) -> None:
    """What goes wrong beside the training is raised in it, at the next step."""
    armed = False

    def refuse(effect: disk.Effect) -> None:
        if armed and effect.kind == disk.SYNC and ".pth" in effect.path.name:
            raise ZeroDivisionError("in the writer")

    run, model, steps = open_run(save_interval=0.0), make_model(), 0
    with (
        disk.watching(refuse),
        pytest.raises(ZeroDivisionError, match="in the writer"),
        run.job("net", state={"model": model}) as job,
    ):
        for stage in job.stages(STAGES):
            for _ in stage.epochs():
                for _batch in stage.batches(make_data(), batch_size=5):
                    armed = True
                    job.step(loss=0.5)
                    steps += 1
                stage.end_epoch(accuracy=0.5)
    assert steps == 1


def test_exception_in_the_loop_leaves_a_whole_checkpoint(open_run: OpenRun) -> None:
    """Whoever leaves waits for what is being written: it is good, and no thread stays."""
    run, model = open_run(save_interval=0.0), make_model()
    with (
        disk.watching(slowly),
        pytest.raises(Stopped),
        run.job("net", state={"model": model}) as job,
    ):
        train_job(job, model, stop_after=7)

    assert run.store.newest_first(JobName("net"))[0].position == Position("head", 1, 2)
    assert not list(run.directory.glob(".*.tmp"))
    assert not [t for t in threading.enumerate() if t.name.startswith("holdfast-saver")]


def test_fault_of_the_writer_is_told_when_the_loop_fails_as_well(
    open_run: OpenRun, caplog: pytest.LogCaptureFixture
) -> None:
    """Leaving by an exception of one's own does not hide that the last checkpoint is not there."""
    armed = False

    def refuse(effect: disk.Effect) -> None:
        if armed and effect.kind == disk.SYNC and ".pth" in effect.path.name:
            raise OSError(5, "Input/output error")

    run, model = open_run(save_interval=0.0), make_model()
    with (
        disk.watching(refuse),
        pytest.raises(Stopped),
        run.job("net", state={"model": model}) as job,
    ):
        for stage in job.stages(STAGES):
            for _ in stage.epochs():
                for _batch in stage.batches(make_data(), batch_size=5):
                    armed = True
                    job.step(loss=0.5)
                    raise Stopped
    assert "net: the last checkpoint was NOT saved: " in caplog.text
    assert job.saved == Position("head", 0)


def test_frozen_weights_that_change_are_named(open_run: OpenRun) -> None:
    """Checkpoints do not copy what is said to be frozen; so it is looked at once a stage."""
    run, model = open_run(), make_model()
    with (
        pytest.raises(UsageError, match="said to be frozen have changed"),
        run.job("net", state={"model": model}) as job,
    ):
        for stage in job.stages({"head": 1}):
            for _ in stage.epochs(frozen=model.parameters()):
                for _batch in stage.batches(make_data(), batch_size=5):
                    model[0].weight.data += 1
                    job.step(loss=0.5)
                stage.end_epoch(accuracy=0.5)


def test_what_a_crash_would_lose_is_known(open_run: OpenRun) -> None:
    """Job.saved is what survives; a checkpoint says how often they come and what they cost."""
    run, model = open_run(save_interval=0.0), make_model()
    with pytest.raises(Stopped), run.job("net", state={"model": model}) as job:
        train_job(job, model, stop_after=4)
    file = run.store.newest_first(JobName("net"))[0]

    assert job.saved == file.position == Position("head", 0, 4)
    saving = read_pth(file.path)["saving"]
    assert saving["interval"] == 0.0
    assert saving["saves"] == 4
    assert 0 < saving["seconds"] < 5


def test_resumed_job_does_not_begin_with_a_checkpoint(open_run: OpenRun) -> None:
    """What one costs is known from the last; the first step after a restart need not pay for it."""
    settings = {"save_interval": None, "overhead": 1e-6}  # a save earns the next in hours
    model = make_model()
    with pytest.raises(Stopped), open_run(**settings).job("net", state={"model": model}) as job:
        train_job(job, model, stop_after=8)
    model = make_model()
    with pytest.raises(Stopped), open_run(**settings).job("net", state={"model": model}) as job:
        train_job(job, model, stop_after=3)
    assert job.saved == job.resumed_from


def test_best_weights_are_not_copied_for_a_checkpoint(open_run: OpenRun) -> None:
    """They are a copy of the job's own, which nobody changes."""
    run, model = open_run(), make_model()
    with pytest.raises(Stopped), run.job("net", state={"model": model}) as job:
        train_job(job, model, stop_after=8, monitor="accuracy")
    assert job.state.best is not None
    record, state = job.state.record(job.name, "cpu"), job.state
    snapshot = Snapshot(record, state.unchanging(), state.fenced())
    best = {key_of(tensor) for tensor in record["best"]["model"].values()}
    live = {key_of(tensor) for tensor in record["model_state_dict"].values()}
    assert not best & snapshot._pieces.keys()
    assert live <= snapshot._pieces.keys()


def test_interval_is_what_the_overhead_pays_for() -> None:
    """A checkpoint that costs 30 ms comes each 3 s at 1 %."""
    pace = Pace(overhead=0.01)
    assert pace.is_due(), "what one costs is not known yet"
    pace.begun()
    pace.paid(0.03)
    assert pace.interval == pytest.approx(3.0)
    assert not pace.is_due()
    pace._counted_at -= 3.0
    assert pace.is_due()
    pace.paid(0.03)
    assert not pace.is_due()
    pace._counted_at -= 3600.0  # a long evaluation
    assert pace.is_due()
    pace.paid(0.03)
    assert not pace.is_due(), "an hour without a step pays for one, not for many"


def test_save_that_nobody_asked_the_budget_for_is_paid_back() -> None:
    """The end of an epoch is always saved; the next inside one waits until that is earned, too."""
    pace = Pace(overhead=0.01)
    pace.paid(0.03)
    pace.paid(100.0, usual=False)
    assert pace.interval == pytest.approx(3.0), "what was waited for is not what the next costs"
    assert pace.total == pytest.approx(100.03)
    pace._counted_at -= 3.5
    assert not pace.is_due()
    pace._counted_at -= 3.0
    assert pace.is_due(), "a stage's first checkpoint does not put the next off for hours"


def test_steps_that_writing_slowed_count_as_cost() -> None:
    """A checkpoint costs what training takes longer, not only what its thread computes."""
    pace = Pace(overhead=0.01)
    for writing, seconds in ((False, 1.0), (False, 1.0), (True, 1.05), (True, 1.04)):
        pace._stepped_at = time.monotonic() - seconds
        pace.stepped(writing=writing)
    pace.paid(0.03)
    assert pace.cost == pytest.approx(0.09, abs=0.03)

    asleep = Pace(overhead=0.01)
    for writing, seconds in ((False, 1.0), (True, 3600.0)):
        asleep._stepped_at = time.monotonic() - seconds
        asleep.stepped(writing=writing)
    asleep.paid(0.03)
    assert asleep.cost == pytest.approx(0.12), "a machine that was suspended is not its fault"


def test_fixed_interval_saves_each_epoch(tmp_path: Path, open_run: OpenRun) -> None:
    """Who sets the seconds gets those, and every epoch."""
    run, model = open_run(save_interval=1e9, keep_latest=100), make_model()
    with run.job("net", state={"model": model}) as job:
        train_job(job, model)
    positions = {file.position for file in run.store.newest_first(JobName("net"))}
    assert positions == {
        *(Position("head", n) for n in range(3)),
        *(Position("finetune", n) for n in range(4)),
    }
