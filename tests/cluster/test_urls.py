"""Ray and object storage together: machines go for good, and nothing acknowledged is lost."""

import itertools
import os
import random
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from holdfast.rundir import Journal
from holdfast.storage.objects.address import Address
from holdfast.storage.objects.store import Store
from tests.cluster.nodes import Nodes, wait_for
from tests.cluster.series import ClusterSeries, Driver
from tests.crash.sameness import same_runs
from tests.objects.drivers import direct, download
from tests.objects.fault_proxy import Fault, FaultProxy, fault_proxy
from tests.objects.servers import BUCKET, environment, free_port, moto_server

ROUNDS = 10 if os.environ.get("HOLDFAST_DEEP") else 1
PHOTOS = f"s3://{BUCKET}/photos"
FAULTS = (
    *(Fault(status=503), Fault(status=429), Fault(drop=True), Fault(forget=True)),
    *(Fault(delay=0.5), Fault(cut=1000), Fault(cut_answer=1000)),
)


@pytest.fixture(scope="module")
def proxy() -> Iterator[FaultProxy]:
    """A real server, behind a network that is bad now and then."""
    with moto_server() as server, fault_proxy(server) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def photos(
    series: ClusterSeries, proxy: FaultProxy, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The images, in the same store."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment(proxy.endpoint, tmp_path_factory.mktemp("up")).items():
            patch.setenv(name, value)
        store = Store(Address.parse(PHOTOS))
        for path in series.data.rglob("*.png"):
            store.put(path.relative_to(series.data).as_posix(), path)


class Machines:
    """Nodes of Ray and the driver's machine, each with a scratch directory of its own."""

    def __init__(self, nodes: Nodes, endpoint: str, home: Path) -> None:
        self._nodes, self._endpoint, self._home = nodes, endpoint, home
        self._scratch: dict[int, Path] = {}
        self._numbers = itertools.count()

    def add(self, endpoint: str = "") -> None:
        """Add a node, which reaches the store at this endpoint, or at the usual one."""
        scratch = self._home / f"node{next(self._numbers)}"
        scratch.mkdir(parents=True)
        env = environment(endpoint or self._endpoint, scratch)
        self._scratch[self._nodes.add(**env)] = scratch

    def lose(self, chance: random.Random) -> None:
        """Let one of the nodes go, with its disk."""
        raylet = chance.choice(sorted(self._scratch))
        self._nodes.kill(raylet)
        shutil.rmtree(self._scratch.pop(raylet))

    def start(self, series: ClusterSeries, url: str, monkeypatch: pytest.MonkeyPatch) -> Driver:
        """Start the series from a machine that has never seen it."""
        scratch = self._home / f"driver{time.monotonic_ns()}"
        for name, value in environment(self._endpoint, scratch).items():
            monkeypatch.setenv(name, value)
        return series.on_ray(Path(url), self._nodes.address, "--data", PHOTOS)


@contextmanager
def machines(proxy: FaultProxy, home: Path, count: int = 3) -> Iterator[Machines]:
    with Nodes() as nodes:
        cluster = Machines(nodes, proxy.endpoint, home)
        for _ in range(count):
            cluster.add()
        yield cluster


def said_complete(driver: Driver) -> set[str]:
    """Return the jobs that a driver which has ended said to be complete."""
    lines = [line.split() for line in driver.output.splitlines() if line.startswith("✓ Custom")]
    return {words[1] for words in lines if words[2] == "complete:"}


def completed(where: Path) -> list[str]:
    """Return the jobs of which a run's journal has a result, as often as it has one."""
    return [r["job"] for r in Journal(where).read() if r["event"] == "job_completed"]


@pytest.mark.parametrize("number", range(ROUNDS))
def test_machines_that_go_for_good_take_nothing_with_them(
    series: ClusterSeries,
    proxy: FaultProxy,
    photos: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
) -> None:
    """A node and the driver's machine vanish with their disks, and the network is bad all along.

    Images, checkpoints and the books of the run are in the store alone. The same command from
    elsewhere ends with the bits of the undisturbed local run. Whatever was said to be complete is
    not trained again.
    """
    seed = random.SystemRandom().randrange(2**32)
    print("drawn with seed", seed)
    chance = random.Random(seed)
    url, told = f"s3://{BUCKET}/cluster{number}", set[str]()
    proxy.sometimes(0.03, seed, *FAULTS)
    with machines(proxy, tmp_path) as cluster:
        driver = cluster.start(series, url, monkeypatch)
        store = direct(url, proxy.server.endpoint)
        wait_for(lambda: any(".jsonl.d/" in name for name in store.list()))
        for victim in chance.sample(["node", "driver"], 2):
            end = time.monotonic() + chance.uniform(1.0, 15.0)
            while driver.running and time.monotonic() < end:
                time.sleep(0.05)
            if victim == "node":
                cluster.lose(chance)
                cluster.add()
            elif driver.running:
                assert driver.kill() == -signal.SIGKILL, driver.output
                told = said_complete(driver)
                driver = cluster.start(series, url, monkeypatch)
        assert driver.wait() == 0, driver.output
        proxy.heal()
    assert not told & said_complete(driver), driver.output
    end_ = download(store, tmp_path / "end")
    same_runs(series.calm, end_)
    assert sorted(completed(end_)) == sorted({*completed(series.calm)})


def test_a_node_that_cannot_reach_the_store_is_left_out(
    series: ClusterSeries,
    proxy: FaultProxy,
    photos: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its jobs go to the others; what it could not save was told by nobody."""
    url = f"s3://{BUCKET}/lonely"
    with machines(proxy, tmp_path, count=1) as cluster:
        cluster.add(f"http://127.0.0.1:{free_port()}")
        driver = cluster.start(series, url, monkeypatch)
        assert driver.wait() == 0, driver.output
    assert "is left out: " in driver.output
    assert "the store does not answer" in driver.output
    same_runs(series.calm, download(direct(url, proxy.server.endpoint), tmp_path / "end"))
