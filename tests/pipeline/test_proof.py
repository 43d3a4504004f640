"""What two runs differ in is found at its first step and explained, job by job."""

import random
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import holdfast
from holdfast.errors import UsageError
from holdfast.pipeline.proof.causes import explain
from holdfast.pipeline.proof.differences import first_differences
from holdfast.pipeline.proof.prove import THE_COMMAND, faults_of, prove
from holdfast.pipeline.proof.runs import Outcome, ended
from holdfast.pipeline.proof.start import Start
from holdfast.pipeline.proof.traced import TraceReader
from holdfast.storage import disk, final_name
from holdfast.training import trace
from holdfast.training.randomness import reseed
from tests.pipeline.proved_loop import train


class Killed(BaseException):
    """Where a test pulls the plug inside this process."""


class Loop:
    """Runs of the loop in this process, traced as `holdfast prove` has its processes traced."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.number = 0

    def run(self, *jobs: str, killed_before: tuple[str, ...] = ()) -> Outcome:
        """Run to the end; started again after each of ``killed_before``, files to be synced."""
        self.number += 1
        directory = self.home / f"run{self.number}"
        starts = [self._start(directory, jobs, name) for name in killed_before]
        assert all(start.killed for start in starts)
        return ended([*starts, self._start(directory, jobs, None)], directory)

    def _start(self, directory: Path, jobs: tuple[str, ...], name: str | None) -> Start:
        self.number += 1
        path = self.home / f"trace{self.number}"
        trace.tracer = trace.Tracer({"trace": str(path), "kill": None})
        reseed(random.SystemRandom().randrange(2**32))  # as a fresh process has it

        def strike(effect: disk.Effect) -> None:
            if effect.kind == disk.SYNC and final_name(effect.path) == name:
                raise Killed

        killed = None
        with disk.watching(strike), holdfast.open(directory) as run:
            try:
                for job in run.pending(jobs):
                    train(run, job)
            except Killed:
                killed = f"before {name}"
        reader = TraceReader(path)
        reader.read()
        return Start(reader.steps, killed, 0, "", 0.0)


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[Loop]:
    """Runs the loop, and leaves no tracer behind."""
    yield Loop(tmp_path)
    trace.tracer = None


def test_sound_job_killed_everywhere_makes_the_same_steps(loop: Loop) -> None:
    """Dropout and python's global generator are seeded for each step: no difference is found."""
    kills = ("steady_head_epoch0_step2.pth", "steady_head_epoch2.pth", "steady_best.pth")
    calm, stormy = loop.run("steady"), loop.run("steady", killed_before=kills)

    assert len(calm.steps) == 12
    assert len(stormy.steps) in (13, 14)  # one or two were lost, and made again
    assert stormy.resumed_after(calm) == {"steady"}
    assert first_differences(calm, stormy) == {}


BY_ITSELF = [
    ("model_draws", "at head epoch 1, step 1: loss (", "a generator of its own, or uses"),
    ("transform_draws", "at head epoch 1, step 1: the batch, batch.0,", "dataset or a transform"),
    ("backward_draws", "step 1: the gradient of model.fc.bias, then", "in the backward pass"),
    ("optimizer_draws", "step 1: model.first.weight, model.first.bias and", "the optimizer"),
    ("evaluation_draws", "at the end of head epoch 1: val_acc (", "the evaluation draws"),
    (
        "result_draws",
        "in result_draws_best.pth: result.accuracy, result.final_accuracy (",
        "evaluation at the end",
    ),
]


@pytest.mark.parametrize(("job", "what", "why"), BY_ITSELF)
def test_what_two_undisturbed_runs_differ_in_is_named(
    loop: Loop, job: str, what: str, why: str
) -> None:
    """Randomness outside the seeded path is found where it enters first."""
    found = first_differences(loop.run(job), loop.run(job))

    told = explain(found[job], killed=False)
    assert what in told
    assert why in told.partition("Likely cause")[2]


AFTER_A_KILL = [
    ("model_draws_seeded", "step 2 (just resumed): loss (", "is not among the objects given"),
    ("transform_draws_seeded", "step 2 (just resumed): the batch, batch.0,", "begins anew after"),
    ("untracked_optimizer", "step 2 (just resumed): model.first.weight,", "is not among the obj"),
    ("hidden_buffer", "the state that it met, model.calls (not in", "(persistent=False)"),
    ("changed_after_the_step", "the state that it met, optimizer.speeds.0,", "after job.step()"),
]


@pytest.mark.parametrize(("job", "what", "why"), AFTER_A_KILL)
def test_what_no_checkpoint_holds_is_named(loop: Loop, job: str, what: str, why: str) -> None:
    """Undisturbed runs agree; a kill before the second checkpoint shows what is missing in it."""
    calm = loop.run(job)
    assert first_differences(calm, loop.run(job)) == {}
    stormy = loop.run(job, killed_before=(f"{job}_head_epoch0_step2.pth",))
    told = explain(first_differences(calm, stormy)[job], killed=True)

    assert what in told
    assert why in told.partition("Likely cause")[2]


def test_first_weights_that_depend_on_the_job_before_are_named(loop: Loop) -> None:
    """Without run.seed_for a job that a resumed series begins with has other weights."""
    jobs = ("steady", "unseeded_weights")
    calm = loop.run(*jobs)
    stormy = loop.run(*jobs, killed_before=("unseeded_weights_head_epoch0.pth",))
    found = first_differences(calm, stormy)

    assert found.keys() == {"unseeded_weights"}
    assert "call run.seed_for(name)" in explain(found["unseeded_weights"], killed=True)


def test_evaluation_that_a_kill_repeats_draws_the_same(loop: Loop) -> None:
    """Repeated in a new process, an evaluation draws the global random numbers it drew before."""
    job = "evaluation_draws_globally"
    calm, stormy = loop.run(job), loop.run(job, killed_before=(f"{job}_head_epoch1.pth",))

    assert first_differences(calm, stormy) == {}


def test_evaluation_with_a_generator_of_its_own_is_named(loop: Loop) -> None:
    """Repeated in a new process, an evaluation's own generator begins anew."""
    job = "evaluation_draws_seeded"
    calm, stormy = loop.run(job), loop.run(job, killed_before=(f"{job}_head_epoch2.pth",))
    told = explain(first_differences(calm, stormy)[job], killed=True)

    assert "at the end of head epoch 2: val_acc (" in told
    assert "the evaluation draws from a generator of its own" in told


def test_run_that_leaves_steps_out_is_named(loop: Loop) -> None:
    """A step that only one of the runs has made is a difference, and none is forgotten."""
    calm, short = loop.run("steady"), loop.run("steady")
    del short.starts[0].steps[4:]
    found = first_differences(calm, short)

    assert found["steady"].where == "head epoch 2, step 2"
    assert "one run makes this step, the other does not" in explain(found["steady"], killed=True)
    assert first_differences(short, calm)["steady"].where == "head epoch 2, step 2"


UNFIT = {
    "there is no such command": (["no-such-command", "{dir}"], "no-such-command: No such file"),
    "it fails when left alone": (
        [sys.executable, "-c", "raise SystemExit('no disk')", "{dir}"],
        r"exit code 1 \(no disk\)",
    ),
    "it does not train": ([sys.executable, "-c", "", "{dir}"], "has saved no step in {dir}"),
}


@pytest.mark.parametrize("case", UNFIT)
def test_command_that_cannot_be_proved_is_refused(case: str) -> None:
    """Nothing is claimed of a command that was never seen to train."""
    command, message = UNFIT[case]
    with pytest.raises(UsageError, match=message):
        prove(command, 1, print)


def test_command_that_does_not_go_on_after_a_kill_is_convicted(loop: Loop) -> None:
    """The exit code and the last line of the start that failed are told, and no missing step."""
    calm, stormy = loop.run("steady"), loop.run("steady")
    struck = replace(stormy.starts[0], killed="before the rename to x.pth")
    failed = replace(struck, steps=[], killed=None, status=3, last_line="cannot go on")
    stormy.starts[:] = [replace(struck, steps=struck.steps[:3]), failed]

    assert faults_of(calm, stormy, killed=True) == {
        THE_COMMAND: "killed before the rename to x.pth, its next start ends with exit code 3: "
        "cannot go on"
    }
