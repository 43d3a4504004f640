"""A job that is interrupted, wherever and however often, ends with the same bits."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

import holdfast
from holdfast.checkpoint import read_pth
from holdfast.rundir import JobName
from holdfast.training import Run
from tests.training.conftest import STAGES, Stopped, make_data, make_model, train_job

NOT_EXACT = {"timestamp", "seconds", "saving", "run_id"}
STEPS = 25  # five epochs of five


def finish(run: Run, **how: Any) -> dict[str, Any]:
    """Train the job to its end and return its last checkpoint and its history."""
    model = make_model()
    with run.job("net", state={"model": model}) as job:
        train_job(job, model, **how)
        job.complete(accuracy=1.0)
    newest = run.store.newest_first(job.name)[0]
    record = run.store.load(newest)
    return {key: record[key] for key in record.keys() - NOT_EXACT}


def interrupt(run: Run, after: int, **how: Any) -> None:
    """Train ``after`` steps in this process and then let everything go."""
    model = make_model()
    with pytest.raises(Stopped), run.job("net", state={"model": model}) as job:
        train_job(job, model, stop_after=after, **how)


def assert_same(a: Any, b: Any) -> None:
    if isinstance(a, torch.Tensor):
        assert torch.equal(a, b)
    elif isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            assert_same(a[key], b[key])
    elif isinstance(a, list):
        assert len(a) == len(b)
        for left, right in zip(a, b, strict=True):
            assert_same(left, right)
    else:
        assert a == b


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The state at the end of a job that nobody disturbed."""
    with holdfast.open(tmp_path_factory.mktemp("calm")) as run:
        return finish(run, monitor="accuracy")


@pytest.mark.parametrize("step", range(STEPS))
def test_interrupted_at_any_step(
    step: int, open_run: Callable[..., Run], undisturbed: dict[str, Any]
) -> None:
    """Weights, optimizer, scheduler, history, best and metrics equal for every single step."""
    interrupt(open_run(), step, monitor="accuracy")

    assert_same(finish(open_run(), monitor="accuracy"), undisturbed)


def test_interrupted_three_times_inside_one_epoch(
    open_run: Callable[..., Run], undisturbed: dict[str, Any]
) -> None:
    """A second resume inside an epoch does not shift the data (KempnerForge issue 57)."""
    for steps in (6, 1, 1):
        interrupt(open_run(), steps, monitor="accuracy")

    assert_same(finish(open_run(), monitor="accuracy"), undisturbed)


def test_number_of_workers_does_not_matter(
    open_run: Callable[..., Run], undisturbed: dict[str, Any]
) -> None:
    """Two loader workers before the interruption, none after: the same bits."""
    interrupt(open_run(), 8, monitor="accuracy", workers=2)

    assert_same(finish(open_run(), monitor="accuracy"), undisturbed)


def test_subset_of_a_dataset_comes_in_collated_batches(open_run: Callable[..., Run]) -> None:
    """torch's Subset, and so random_split, hands out lists of items: they are collated."""
    subset = torch.utils.data.Subset(make_data(), range(10))
    with open_run().job("net", state={"model": make_model()}) as job:
        for stage in job.stages({"head": 1}):
            next(stage.epochs())
            inputs, labels = next(stage.batches(subset, batch_size=5))

    assert inputs.shape == (5, 6)
    assert labels.shape == (5,)


def test_damaged_newest_checkpoint_is_stepped_over(
    open_run: Callable[..., Run], undisturbed: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """A flipped bit is told, and costs the steps since the checkpoint before, nothing else."""
    run = open_run()
    interrupt(run, 9, monitor="accuracy")
    newest = next(iter(run.store.newest_first(JobName("net")))).path
    data = bytearray(newest.read_bytes())
    data[data.find(b"/data/0") + 128] ^= 1  # inside the first tensor's bytes
    newest.write_bytes(data)

    with caplog.at_level("WARNING", "holdfast"):
        assert_same(finish(open_run(), monitor="accuracy"), undisturbed)
    assert any(r["event"] == "file_set_aside" for r in run.ledger.journal.read())
    assert newest.name in caplog.text


def test_loss_of_all_checkpoints_is_told(
    open_run: Callable[..., Run], undisturbed: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """A job that has been further than any file of it does not begin again without a word."""
    run = open_run()
    interrupt(run, 16, monitor="accuracy")
    for file in run.store.newest_first(JobName("net")):
        file.path.unlink()

    with caplog.at_level("WARNING", "holdfast"):
        assert_same(finish(open_run(), monitor="accuracy"), undisturbed)
        assert caplog.messages == ["net_finetune_epoch1.pth: not there; net begins again"]
        open_run()
    assert len(caplog.messages) == 1


def test_every_key_of_a_checkpoint_is_known(open_run: Callable[..., Run]) -> None:
    """All that changes in training is in this list; a key added to it needs a round trip."""
    record = finish(open_run(), monitor="accuracy") | dict.fromkeys(NOT_EXACT)

    assert record.keys() == {
        # the guide's
        "backbone_name", "model_state_dict", "epoch", "stage", "metrics", "history",
        "optimizer_state", "scheduler_state", "timestamp", "device",
        # ours
        "format_version", "run_id", "fold", "step", "objects", "running", "best", "stale",
        "seconds", "saving",
    }  # fmt: skip


def test_other_tracked_objects_come_back(open_run: Callable[..., Run]) -> None:
    """A GradScaler, or anything else with a state_dict, is part of the state by its name."""
    model, scaler = make_model(), torch.amp.GradScaler("cpu", init_scale=8.0)
    with (
        pytest.raises(Stopped),
        open_run().job("net", state={"model": model, "scaler": scaler}) as job,
    ):
        train_job(job, model, stop_after=3)

    fresh = torch.amp.GradScaler("cpu")
    with open_run().job("net", state={"model": make_model(), "scaler": fresh}):
        assert fresh.state_dict() == scaler.state_dict()


def test_batches_are_each_epochs_own_permutation(open_run: Callable[..., Run]) -> None:
    """Every epoch sees every sample once, in an order of its own."""
    model = make_model()
    with open_run().job("net", state={"model": model}) as job:
        seen = torch.cat(train_job(job, model)).reshape(5, 26, 6)

    assert all(torch.equal(e.sort(0).values, seen[0].sort(0).values) for e in seen)
    assert len({tuple(e.flatten().tolist()) for e in seen}) == 5


def test_journal_lost_an_epoch_that_the_checkpoint_has(open_run: Callable[..., Run]) -> None:
    """The journal is brought to the checkpoint: missing epochs return, none appears twice."""
    run = open_run()
    interrupt(run, 12)
    run.ledger.journal.rewrite(lambda record: record["event"] != "epoch")
    finish(open_run())

    epochs = [r for r in run.ledger.journal.read() if r["event"] == "epoch"]
    trained = sorted((r["stage"], r["epoch"]) for r in epochs)
    assert trained == [("finetune", 1), ("finetune", 2), ("finetune", 3), ("head", 1), ("head", 2)]


def test_best_weights_file_opens_with_torchs_defaults(open_run: Callable[..., Run]) -> None:
    """A completed job's weights are an ordinary file of torch, with the result inside."""
    run = open_run()
    finish(run)
    path = run.directory / "net_best.pth"

    plain = torch.load(path)
    make_model().load_state_dict(plain["model_state_dict"])
    result = {"accuracy": 1.0, "final_accuracy": 1.0, "stages": STAGES}
    assert plain["result"] == result == read_pth(path)["result"]
