"""The plain loop of ``examples/``: killed again and again, it ends as if nothing had happened."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from holdfast.rundir import Journal, Position, Record
from tests.crash.sameness import same
from tests.warm_python import Child, WarmPython, wait_until

EXAMPLE = Path(__file__).parents[1] / "examples" / "plain_loop.py"
KILLS, INSIDE_AN_EPOCH = 10, 3  # at least so many, and so many of them resumed inside an epoch


@pytest.fixture(scope="module")
def python() -> Iterator[WarmPython]:
    """Starts processes."""
    with WarmPython() as python:
        yield python


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a run that was left alone, started as anybody would."""
    directory = tmp_path_factory.mktemp("calm") / "run"
    command = [sys.executable, str(EXAMPLE), str(directory)]
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}  # as WarmPython; two give other bits
    subprocess.run(command, check=True, capture_output=True, timeout=300, env=one_thread)
    return directory


def start(python: WarmPython, directory: Path) -> Child:
    arguments = ("plain_loop.py", str(directory), "--save-interval", "0.02")
    return python.start(EXAMPLE.read_text(encoding="utf-8"), directory.parent, arguments)


def events(directory: Path, *kinds: str) -> list[Record]:
    return [record for record in Journal(directory).read() if record["event"] in kinds]


def storm(python: WarmPython, directory: Path, chance: random.Random) -> int:
    """Kill the run at random moments until it has ended by itself; return how often."""
    kills = 0
    while True:
        child = start(python, directory)
        time.sleep(chance.uniform(0.0, 1.0))
        status = child.kill(signal.SIGKILL)
        if status == 0:
            return kills
        assert status == -signal.SIGKILL, child.output
        kills += 1


def left_behind(directory: Path) -> dict[str, Any]:
    """Return everything a finished run has on disk, but for the times at which it was written."""
    weights = {p.name: torch.load(p) for p in directory.glob("*_best.pth")}
    last = {p.name: torch.load(p) for p in directory.glob("*_epoch12.pth")}
    states = (".recovery_state.json", ".kfold_progress.json")
    return {
        "weights": weights,
        "last": last,
        "states": [json.loads((directory / name).read_text()) for name in states],
        "epochs": events(directory, "epoch"),
    }


def test_killed_at_random_moments_it_ends_as_the_undisturbed_run(
    python: WarmPython, undisturbed: Path, tmp_path: Path
) -> None:
    """Weights, optimizer, scheduler, history and results equal with ==, and no epoch is twice."""
    seed = random.SystemRandom().randrange(2**32)
    print("moments drawn with seed", seed)
    chance = random.Random(seed)
    expected = left_behind(undisturbed)
    assert len(expected["weights"]) == len(expected["last"]) == 2

    kills = inside = 0
    while kills < KILLS or inside < INSIDE_AN_EPOCH:
        directory = tmp_path / str(kills) / "run"
        directory.parent.mkdir()
        kills += storm(python, directory, chance)
        inside += sum(record["step"] > 0 for record in events(directory, "job_resumed"))

        same(left_behind(directory), expected)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopped_politely_it_saves_and_goes_on_from_the_very_step(
    python: WarmPython, undisturbed: Path, tmp_path: Path, number: int, status: int
) -> None:
    """A signal is answered by a checkpoint of where the loop is and the shell's exit status."""
    directory = tmp_path / "run"
    child = start(python, directory)
    wait_until(lambda: len(events(directory, "epoch")) >= 3, child)

    assert child.kill(number) == status, child.output
    stopped = events(directory, "job_interrupted")[0]["where"]

    assert start(python, directory).wait() == 0
    resumed = events(directory, "job_resumed")[0]
    position = Position(resumed["stage"], resumed["epoch"], resumed["step"])
    assert stopped == f"{resumed['job']}, {position}"
    same(left_behind(directory), left_behind(undisturbed))
