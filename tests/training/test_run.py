"""Runs, jobs and stages: skipping, stopping, refusing."""

import os
import signal
import time
from collections.abc import Callable

import pytest
import torch

from holdfast.errors import (
    Interrupted,
    RecoveryRefusedError,
    TrainingDivergedError,
    UsageError,
)
from holdfast.rundir import Position
from holdfast.training import Run, StopRequest, interrupt
from tests.training.conftest import STAGES, Stopped, make_data, make_model, train_job

OpenRun = Callable[..., Run]


def test_completed_are_skipped_and_failed_are_tried_again(open_run: OpenRun) -> None:
    """pending yields what is not complete; a failure is recorded and comes again."""
    run = open_run()
    for name in run.pending(["good", "bad"]):
        if name == "good":
            with run.job(name, state={"model": make_model()}) as job:
                job.complete(accuracy=0.5)
        else:
            with pytest.raises(ZeroDivisionError), run.job(name, state={"model": make_model()}):
                1 / 0  # noqa: B018

    assert list(open_run().pending(["good", "bad"])) == ["bad"]
    assert list(run.ledger.state.failed.values()) == ["ZeroDivisionError: division by zero"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_signal_saves_this_very_step(
    number: signal.Signals, open_run: OpenRun, caplog: pytest.LogCaptureFixture
) -> None:
    """SIGINT, SIGTERM and SIGUSR1 finish the step, tell, save, and raise Interrupted."""
    model, data, run = make_model(), make_data(), open_run(save_interval=1e9)
    before = signal.getsignal(number)
    with pytest.raises(Interrupted) as stopped, run.job("net", state={"model": model}) as job:
        for stage in job.stages(STAGES):
            for _ in stage.epochs():
                for step, _batch in enumerate(stage.batches(data, batch_size=5)):
                    if step == 2:
                        os.kill(os.getpid(), number)
                    job.step(loss=0.5)

    newest = run.store.newest_first(job.name)[0]
    assert newest.position == Position("head", 0, 3)
    assert stopped.value.exit_code == (130 if number == signal.SIGINT else 143)
    assert "head epoch 1, step 3" in str(stopped.value)
    assert signal.getsignal(number) is before
    assert f"{number.name}: saving, then stopping" in caplog.text


def test_signals_of_one_second_are_one_request() -> None:
    """What a process gets both by itself and from its supervisor stops it politely, once."""
    stop = StopRequest()
    with stop.listening():
        try:
            for _ in range(3):
                os.kill(os.getpid(), signal.SIGINT)
        except KeyboardInterrupt:
            pytest.fail("the second one was taken for another request")
        assert stop.heard()


def test_second_request_ends_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks again later does not want to wait for the end of the step."""
    monkeypatch.setattr(interrupt, "_ONE_REQUEST", 0.1)
    with StopRequest().listening():
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.2)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_stop_during_evaluation_saves_the_whole_epochs_steps(open_run: OpenRun) -> None:
    """A stop asked for while evaluating loses no step of the epoch."""
    run = open_run(save_interval=1e9)
    with pytest.raises(Interrupted), run.job("net", state={"model": make_model()}) as job:
        for stage in job.stages(STAGES):
            for _ in stage.epochs():
                for _batch in stage.batches(make_data(), batch_size=5):
                    job.step(loss=0.5)
                os.kill(os.getpid(), signal.SIGTERM)
                job.check_stop()

    assert run.store.newest_first(job.name)[0].position == Position("head", 0, 5)


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_diverged_loss_fails_the_job_and_is_not_saved(loss: float, open_run: OpenRun) -> None:
    """A loss that is no number ends the job; no checkpoint holds the state it came from."""
    run = open_run()
    with pytest.raises(TrainingDivergedError), run.job("net", state={"model": make_model()}) as job:
        for stage in job.stages(STAGES):
            for _ in stage.epochs():
                for step, _batch in enumerate(stage.batches(make_data(), batch_size=5)):
                    job.step(loss=torch.tensor(loss if step == 3 else 1.0))

    assert run.store.newest_first(job.name)[0].position == Position("head", 0, 3)
    assert "net" in [str(name) for name in run.ledger.state.failed]


def test_patience_ends_a_stage_and_the_best_weights_return(open_run: OpenRun) -> None:
    """Early stopping counts per stage; the model leaves a stage with its best epoch's weights."""
    model = torch.nn.Linear(1, 1)
    scores = {"head": [0.1, 0.9, 0.3, 0.2, 0.5, 0.6], "finetune": [0.4, 0.2, 0.3, 0.1]}
    trained, weights = [], {}
    with open_run().job("net", state={"model": model}) as job:
        for stage in job.stages({"head": 6, "finetune": 4}, monitor="accuracy", patience=2):
            for epoch in stage.epochs():
                model.weight.data.fill_(epoch)
                trained.append((stage.name, epoch))
                stage.end_epoch(accuracy=scores[stage.name][epoch - 1])
            weights[stage.name] = model.weight.item()

    assert trained == [("head", e) for e in (1, 2, 3, 4)] + [("finetune", e) for e in (1, 2, 3)]
    assert weights == {"head": 2.0, "finetune": 1.0}


def test_other_seed_is_refused_with_its_name(open_run: OpenRun) -> None:
    """A run that would not be continued exactly is refused, and nothing is touched."""
    run = open_run()
    run.plan({"seed": 1, "stages": STAGES}, ["net"])
    before = sorted(p.name for p in run.directory.iterdir())

    with pytest.raises(RecoveryRefusedError, match="seed was 1, now 2"):
        open_run().plan({"seed": 2, "stages": STAGES}, ["net"])
    assert sorted(p.name for p in run.directory.iterdir()) == before


def test_more_backbones_extend_the_run(open_run: OpenRun) -> None:
    """Another backbone is no conflict; the ones planned before stay planned."""
    open_run().plan({"seed": 1}, ["a"])
    run = open_run()
    run.plan({"seed": 1}, ["b", "a"])

    assert run.ledger.state.backbones == ["b", "a"]
    run.plan({"seed": 1}, ["c"])
    assert run.ledger.state.backbones == ["b", "a", "c"]


def test_settings_of_a_backbone_may_change_until_it_begins(open_run: OpenRun) -> None:
    """What holds for one backbone alone is compared only once it has a checkpoint."""
    run = open_run()
    run.plan({"settings": {"a": {"rate": 1}, "b": {"rate": 1}}}, ["a", "b"])
    model = make_model()
    with pytest.raises(Stopped), run.job("a", state={"model": model}) as job:
        train_job(job, model, stop_after=1)

    run.plan({"stages": STAGES, "settings": {"a": {"rate": 1}, "b": {"rate": 2}}}, ["a", "b"])
    assert run.ledger.state.run["settings"] == {"a": {"rate": 1}, "b": {"rate": 2}}
    with pytest.raises(RecoveryRefusedError, match=r"a\.rate was 1, now 2"):
        run.plan({"stages": STAGES, "settings": {"a": {"rate": 2}}}, ["a"])


def test_model_that_does_not_fit_is_refused(open_run: OpenRun) -> None:
    """Another architecture under the same name is refused in one line, not half loaded."""
    model = make_model()
    with pytest.raises(Stopped), open_run().job("net", state={"model": model}) as job:
        train_job(job, model, stop_after=3)

    with pytest.raises(RecoveryRefusedError, match="does not fit this model") as refused:
        open_run().job("net", state={"model": torch.nn.Linear(6, 3)}).__enter__()
    assert "\n" not in str(refused.value)


def test_forgotten_calls_are_told(open_run: OpenRun) -> None:
    """A loop that forgets job.step or end_epoch is told so instead of training on one place."""
    with open_run().job("a", state={"model": make_model()}) as job:
        stage = next(job.stages(STAGES))
        next(stage.epochs())
        batches = stage.batches(make_data(), batch_size=5)
        next(batches)
        with pytest.raises(UsageError, match=r"job\.step"):
            next(batches)

    with open_run().job("b", state={"model": make_model()}) as job:
        epochs = next(job.stages(STAGES)).epochs()
        next(epochs)
        with pytest.raises(UsageError, match="end_epoch"):
            next(epochs)
