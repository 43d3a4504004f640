"""What a start may change of the run it continues, and what becomes of the rest."""

from collections.abc import Callable
from typing import Any

import pytest

from holdfast.errors import RecoveryRefusedError
from holdfast.rundir import JobName
from holdfast.training import Job, Run
from tests.training.conftest import STAGES, Stopped, make_model, train_job

RUN: dict[str, Any] = {"seed": 42, "stages": STAGES, "config": {"batch_size": 5}}
NAMES = ["first", "second"]


def train(run: Run, name: str, stop_after: int | None = None) -> None:
    """Train one backbone, or a part of it."""
    model = make_model()
    with run.job(name, state={"model": model}) as job:
        train_job(job, model, stop_after=stop_after)
        job.complete(accuracy=1.0)


def begin(run: Run) -> None:
    """Complete the first backbone, and leave the second inside its finetune stage."""
    run.plan(RUN | {"settings": {"first": {"rate": 1}, "second": {"rate": 1}}}, NAMES)
    train(run, "first")
    with pytest.raises(Stopped):
        train(run, "second", stop_after=14)


def settings(**rates: int) -> dict[str, Any]:
    """Return the run with other settings of single backbones."""
    return RUN | {"settings": {name: {"rate": rate} for name, rate in rates.items()}}


def test_refusal_names_each_difference_and_the_ways_out(open_run: Callable[..., Run]) -> None:
    """Nothing is touched, and one line says what to do."""
    run = open_run()
    begin(run)
    before = run.ledger.state
    with pytest.raises(RecoveryRefusedError) as refused:
        run.plan(RUN | {"seed": 1, "config": {"batch_size": 6}}, NAMES)
    told = str(refused.value)
    for part in ("seed was 42, now 1", "--batch-size was 5, now 6", "restart-affected"):
        assert part in told
    assert "--on-change continue" in told and "\n" not in told
    assert run.ledger.state == before


def test_restart_affected_trains_anew_what_the_change_touches(
    open_run: Callable[..., Run], caplog: pytest.LogCaptureFixture
) -> None:
    """One backbone's own setting costs that backbone only; anything else costs all of them."""
    run = open_run()
    begin(run)
    run.plan(settings(first=1, second=2), NAMES, on_change="restart-affected")
    assert JobName("first") in run.ledger.state.results
    assert not run.store.newest_first(JobName("second"))
    assert "second: trained anew" in caplog.text

    run.plan(settings(first=1, second=2) | {"seed": 1}, NAMES, on_change="restart-affected")
    assert not run.ledger.state.results
    assert run.ledger.state.run["seed"] == 1


def test_continue_marks_what_was_in_training(
    open_run: Callable[..., Run], caplog: pytest.LogCaptureFixture
) -> None:
    """The result says what was changed while it was made; one that stood before does not."""
    run = open_run()
    begin(run)
    run.plan(settings(first=1, second=1) | {"seed": 1}, NAMES, on_change="continue")
    assert "NOT be what an undisturbed run gives" in caplog.text
    train(run, "second")
    results = run.ledger.state.results
    assert results[JobName("second")]["changed_in_training"] == ["seed was 42, now 1"]
    assert "changed_in_training" not in results[JobName("first")]


def test_more_epochs_extend_the_run(
    open_run: Callable[..., Run], caplog: pytest.LogCaptureFixture
) -> None:
    """No flag is needed: the completed backbone goes on from its last checkpoint, and says so."""
    run = open_run()
    begin(run)
    longer = RUN | {"stages": {**STAGES, "finetune": 5}}
    run.plan(longer, NAMES)
    assert "epochs-finetune was 3, now 5: complete backbones go on" in caplog.text
    assert [*run.pending(NAMES)] == NAMES

    model = make_model()
    with run.job("first", state={"model": model}) as job:
        assert (job.resumed_from.stage, job.resumed_from.epoch) == ("finetune", 3)
        epochs = finish_with(job, {**STAGES, "finetune": 5})
        job.complete(accuracy=0.5)
    assert epochs == [4, 5]
    result = run.ledger.state.results[JobName("first")]
    assert result["changed_in_training"] == ["--epochs-finetune was 3, now 5"]
    assert [*run.pending(NAMES)] == ["second"]


def finish_with(job: Job, stages: dict[str, int]) -> list[int]:
    """Go through the epochs that are left without training; return their numbers."""
    seen = []
    for stage in job.stages(stages):
        for epoch in stage.epochs():
            seen.append(epoch)
            stage.end_epoch(accuracy=0.5)
    return seen


@pytest.mark.parametrize(
    "stages", [{**STAGES, "finetune": 2}, {**STAGES, "head": 9}, {"head": 2}, {"finetune": 3}]
)
def test_other_changes_of_the_stages_are_refused(
    stages: dict[str, int], open_run: Callable[..., Run]
) -> None:
    """Fewer epochs, other stages, or more of a stage that lies behind cannot be continued."""
    run = open_run()
    begin(run)
    with pytest.raises(RecoveryRefusedError, match="--epochs-"):
        run.plan(RUN | {"stages": stages}, NAMES)


def test_another_seed_is_refused_in_anybodys_loop(open_run: Callable[..., Run]) -> None:
    """`holdfast.open(…, seed=2)` on a run begun with another seed does not go on silently."""
    list(open_run().pending(["net"]))
    with pytest.raises(RecoveryRefusedError, match="seed was 42, now 2"):
        list(open_run(seed=2).pending(["net"]))


def test_record_from_before_there_were_ranks(open_run: Callable[..., Run]) -> None:
    """It means one rank: a start on one goes on with it, a start on two is refused."""
    run = open_run()
    begin(run)
    run.plan(RUN | {"machine": {"threads": 1}}, NAMES, on_change="continue")

    run.check(RUN | {"machine": {"threads": 1, "ranks": 1}})
    with pytest.raises(RecoveryRefusedError, match=r"machine\.ranks was 1, now 2"):
        run.check(RUN | {"machine": {"threads": 1, "ranks": 2}})
