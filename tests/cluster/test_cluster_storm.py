"""The main promise on a cluster: nodes and drivers killed at random, and the bits are the same."""

import os
import random
import signal
import time
from pathlib import Path

import pytest

from tests.cluster.nodes import Nodes
from tests.cluster.series import ClusterSeries, cluster_series
from tests.crash.sameness import same_runs

ROUNDS = 10 if os.environ.get("HOLDFAST_DEEP") else 1
BACKBONES = "CustomRegNet,CustomResNetMish,CustomMobileOne,CustomGhostNetV2"


@pytest.fixture(scope="module")
def larger(tmp_path_factory: pytest.TempPathFactory) -> ClusterSeries:
    """Four backbones, each on the full split and on two folds."""
    with cluster_series(tmp_path_factory.mktemp("larger"), BACKBONES, epochs=2) as series:
        yield series


@pytest.mark.parametrize("number", range(ROUNDS))
def test_killed_nodes_and_drivers_change_nothing(
    larger: ClusterSeries, tmp_path: Path, number: int
) -> None:
    """A node and the driver die at random moments; another node comes, the command is repeated."""
    seed = random.SystemRandom().randrange(2**32)
    print("drawn with seed", seed)
    chance = random.Random(seed)
    with Nodes() as nodes:
        for _ in range(3):
            nodes.add()
        driver = larger.on_ray(tmp_path / "run", nodes.address)
        for victim in chance.sample(["node", "driver"], 2):
            end = time.monotonic() + chance.uniform(1.0, 20.0)
            while driver.running and time.monotonic() < end:
                time.sleep(0.05)
            if victim == "node":
                nodes.kill(chance.choice(nodes.raylets))
                nodes.add()
            elif driver.running:
                assert driver.kill() == -signal.SIGKILL, driver.output
                driver = larger.on_ray(tmp_path / "run", nodes.address)
        assert driver.wait() == 0, driver.output
    same_runs(larger.calm, driver.directory)
