"""A job on several ranks: a rank's death ends and resumes it, and it ends with the same bits."""

import json
import os
import random
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from holdfast.rundir import Position
from tests.crash.ranked_run import EPOCHS, PATIENCE, RankedRun, Started, is_running
from tests.crash.sameness import same_runs

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds the ranks in /proc")
KILLS = 4
TOLERANCE = 0.1  # measured: 0.07 at most, in a mean loss of an epoch, of three tiny backbones


@pytest.fixture(scope="module")
def calm(digits_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> RankedRun:
    """The undisturbed run on two ranks, with its trace in trace.jsonl beside it."""
    home = tmp_path_factory.mktemp("calm")
    run = RankedRun(digits_folder, home / "run")
    run.traced(home / "trace.jsonl").finish()
    return run


@pytest.fixture
def run(digits_folder: Path, tmp_path: Path) -> RankedRun:
    """A run on two ranks that has not begun."""
    return RankedRun(digits_folder, tmp_path / "run")


def strike(started: Started, chance: random.Random) -> str:
    """Kill a rank of two, or everything at once."""
    victim = chance.choice(("rank 0", "rank 1", "all"))
    pids = started.ranks()
    if victim == "all" or len(pids) < 2:
        started.kill_all()
        return "all"
    os.kill(pids[int(victim[-1])], signal.SIGKILL)
    return victim


def test_killed_at_random(calm: RankedRun, run: RankedRun) -> None:
    """Weights, optimizer state, history and results are equal, whichever rank dies, and when."""
    seed = random.SystemRandom().randrange(2**32)
    print("moments drawn with seed", seed)  # shown when the test fails
    chance, killed = random.Random(seed), []
    while len(killed) < KILLS:
        with run.start() as started:
            while started.is_in_training() and len(killed) < KILLS:
                time.sleep(chance.uniform(0.0, 0.3))
                killed.append(strike(started, chance))
            if started.process.poll() is None:
                started.process.wait(PATIENCE)
        if started.process.returncode == 0:
            break

    run.finish()
    print(killed)
    same_runs(calm.directory, run.directory)
    assert len(killed) >= KILLS - 2, "it ended before it could be killed: train longer"


def test_undisturbed_twice(calm: RankedRun, run: RankedRun) -> None:
    """Two ranks add gradients in the same order each time."""
    run.finish()

    same_runs(calm.directory, run.directory)


def test_ranks_end_with_who_started_them(run: RankedRun) -> None:
    """What has lost the directory's lock writes no more: the next start is alone there."""
    with run.start() as started:
        assert started.is_in_training()
        ranks = started.ranks()
        os.kill(started.process.pid, signal.SIGKILL)
        end = time.monotonic() + 30
        while any(map(is_running, ranks)) and time.monotonic() < end:
            time.sleep(0.01)

        assert [is_running(rank) for rank in ranks] == [False, False]


def test_stop_reaches_all_ranks(calm: RankedRun, run: RankedRun) -> None:
    """They stop at the same step, which is saved once; the next start goes on from there."""
    with run.start() as started:
        assert started.is_in_training()
        time.sleep(0.2)
        os.killpg(started.process.pid, signal.SIGTERM)  # to each process, as Slurm does

        assert started.process.wait(PATIENCE) == 143, run.output
    stopped = run.events("job_interrupted")
    assert len(stopped) == 1
    assert "died" not in run.output
    run.finish()
    resumed = run.events("job_resumed")[-1]
    at = Position(resumed["stage"], resumed["epoch"], resumed["step"])
    assert stopped[0]["where"] == f"CustomResNetMish, {at}"
    same_runs(calm.directory, run.directory)


def test_rank_that_dies_again_and_again(run: RankedRun) -> None:
    """Three deaths in a row that get the job no further are its failure; the next start tries."""
    with run.start() as started:
        for _ in range(3):
            started.wait_until(lambda: len(started.ranks()) == 2)
            ranks = started.ranks()
            os.kill(ranks[1], signal.SIGKILL)
            started.process.poll()
            while any(map(is_running, ranks)):
                time.sleep(0.01)

        assert started.process.wait(PATIENCE) == 1, run.output
    assert "rank 1 died (SIGKILL) at its start, 3 times in a row" in run.output
    assert [event["job"] for event in run.events("job_failed")] == ["CustomResNetMish"]


def test_fault_of_all_ranks_is_the_jobs(run: RankedRun) -> None:
    """They fail alike, none waits for another, and it is told once, without a traceback."""
    run.more = "[finetune]\nlearning_rate = 1e30\naugment = true\n"

    run.finish(code=1)

    (failed,) = run.events("job_failed")
    assert failed["error"].startswith("TrainingDivergedError: the loss became ")
    assert failed["error"].partition(": ")[2] in run.output
    assert "Traceback" not in run.output
    assert "died" not in run.output


def test_resumed_with_one_rank(calm: RankedRun, run: RankedRun) -> None:
    """One rank reads the checkpoint of two and sees the same samples in the same order."""
    with run.start() as started:
        started.wait_until(lambda: len(run.events("epoch")) >= 2)
        started.process.send_signal(signal.SIGINT)
        assert started.process.wait(PATIENCE) == 130, run.output
    alone = RankedRun(run.data, run.directory, ranks=1)

    alone.finish(code=3)
    assert "machine.ranks was 2, now 1" in run.output
    trace = run.directory.with_name("trace.jsonl")
    alone.traced(trace).finish("--on-change", "continue")

    seen, expected = batches(trace), batches(calm.directory.with_name("trace.jsonl"))
    assert len(seen) >= 8
    assert seen == {at: expected[at] for at in seen}
    ours, theirs = run.events("epoch"), calm.events("epoch")
    assert len(ours) == len(theirs) == 1 + EPOCHS
    for row, other in zip(ours, theirs, strict=True):
        assert row["train_loss"] == pytest.approx(other["train_loss"], abs=TOLERANCE)
        assert row["val_loss"] == pytest.approx(other["val_loss"], abs=TOLERANCE)
    result = run.events("job_completed")[0]["result"]
    assert result["changed_in_training"] == ["machine.ranks was 2, now 1"]


def batches(trace: Path) -> dict[tuple[Any, ...], Any]:
    """Return the digests of each step's whole batch."""
    return dict(_batches(trace))


def _batches(trace: Path) -> Iterator[tuple[tuple[Any, ...], Any]]:
    for line in map(json.loads, trace.read_text().splitlines()):
        yield tuple(line["at"]), line["batch"]


def test_torchrun_starts_the_ranks_again(
    calm: RankedRun, digits_folder: Path, tmp_path: Path
) -> None:
    """Under torchrun the first rank is the series; a rank's death ends and resumes it as well."""
    torchrun = (sys.executable, "-m", "torch.distributed.run", "--standalone")
    torchrun += ("--nproc-per-node", "2", "--max-restarts", "2", "-m", "holdfast")
    run = RankedRun(digits_folder, tmp_path / "run", command=torchrun)
    with run.start() as started:
        assert started.is_in_training()
        time.sleep(0.2)
        os.kill(max(started.children()), signal.SIGKILL)

        assert started.process.wait(PATIENCE) == 0, run.output
    assert len(run.events("job_resumed")) == 1
    same_runs(calm.directory, run.directory)


def test_worker_of_ray_starts_the_ranks(calm: RankedRun, run: RankedRun) -> None:
    """A job on several ranks is one task of Ray's, and its bits are those of a local run."""
    pytest.importorskip("ray")
    run.finish("--engine", "ray", "--ray-address", "local")

    same_runs(calm.directory, run.directory)
