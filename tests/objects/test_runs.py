"""Whole runs at a URL, by injury: machines that go, drivers that meet, stores that stay away."""

import os
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from holdfast.rundir import list_all_checkpoints, list_results
from holdfast.storage.objects.store import Store
from tests.crash import library_run
from tests.crash.sameness import same_runs
from tests.objects.drivers import Driver, direct, download, entered, frozen, rank
from tests.objects.fault_proxy import Fault, FaultProxy
from tests.objects.servers import Server, environment
from tests.warm_python import WarmPython

ROUNDS = 60 if os.environ.get("HOLDFAST_DEEP") else 6
FAULTS = (Fault(status=503), Fault(status=429), Fault(drop=True), Fault(cut=9), Fault(delay=0.2))


@pytest.fixture(scope="module")
def pythons() -> Iterator[tuple[WarmPython, WarmPython]]:
    """Two that start processes at once."""
    with WarmPython() as first, WarmPython() as second:
        yield first, second


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The undisturbed run, in a directory of this machine."""
    directory = tmp_path_factory.mktemp("calm") / "run"
    library_run.train(directory)
    return directory


@pytest.fixture
def drivers(
    pythons: tuple[WarmPython, WarmPython], url: str, proxy: FaultProxy, tmp_path: Path
) -> tuple[Driver, Driver]:
    """Two machines that know one URL."""
    made = []
    for name, python in zip(("first", "second"), pythons, strict=True):
        home = tmp_path / name
        home.mkdir()
        made.append(Driver(python, home, url, environment(proxy.endpoint, home / "scratch")))
    return made[0], made[1]


@pytest.fixture
def driver(drivers: tuple[Driver, Driver]) -> Driver:
    """One machine."""
    return drivers[0]


@pytest.fixture
def behind(url: str, proxy: FaultProxy) -> Store:
    """The store, past the faults."""
    return direct(url, proxy.server.endpoint)


def check_promises(driver: Driver, directory: Path) -> None:
    """Whatever was said to be saved is there, or its job is complete."""
    complete = {job for job, _ in list_results(directory)}
    standing = list_all_checkpoints(directory)
    for job, position in driver.promises():
        mine = [rank(file.position) for file in standing if file.job == job]
        assert job in complete or max(mine, default=(-1, 0, 0)) >= rank(position), (job, position)


def test_machines_that_go_lose_nothing_that_was_acknowledged(
    drivers: tuple[Driver, Driver], proxy: FaultProxy, behind: Store, calm: Path, tmp_path: Path
) -> None:
    """Killed at random under random faults, on two machines whose disks go or stay: same bits."""
    seed = random.SystemRandom().randrange(2**32)
    print("drawn with seed", seed)
    chance = random.Random(seed)
    for number in range(ROUNDS):
        proxy.sometimes(0.1, chance.randrange(2**32), *FAULTS)
        driver = chance.choice(drivers)
        child = driver.start(pause=0.02)
        time.sleep(chance.uniform(0.2, 2.5))
        child.kill()
        there = download(behind, tmp_path / f"round{number}")
        for each in drivers:
            check_promises(each, there)
        if chance.random() < 0.6:
            driver.lose_machine()
    proxy.heal()
    begun = {job for each in drivers for job, _ in each.promises()}
    assert begun, "no round came to anything"
    taken_up = dict(entered(drivers[0].finish()))
    assert all(taken_up.get(job, "complete") is not None for job in begun), "one began anew"
    same_runs(calm, download(behind, tmp_path / "end"))


def test_server_that_ignores_conditions_is_warned_of_and_used(
    pythons: tuple[WarmPython, WarmPython],
    loose_url: str,
    rclone: Server,
    calm: Path,
    tmp_path: Path,
) -> None:
    """Killed there with its disk gone, the run goes on to the same bits; a second is refused."""
    driver, second = (
        Driver(python, tmp_path, loose_url, environment(rclone.endpoint, tmp_path / name))
        for python, name in zip(pythons, ("first", "second"), strict=True)
    )
    child = driver.start(pause=0.1)
    while not driver.promises():
        assert child.running, child.output
        time.sleep(0.02)
    refused = second.start()
    assert refused.wait() == 4, refused.output
    child.kill()
    driver.lose_machine()
    assert "this server ignores the conditions of writes" in driver.finish()
    same_runs(calm, download(direct(loose_url, rclone.endpoint), tmp_path / "end"))


def test_run_goes_on_from_its_own_scratch(
    driver: Driver, proxy: FaultProxy, behind: Store, calm: Path, tmp_path: Path
) -> None:
    """Killed while the store was away, it goes on from what only the machine had."""
    child = driver.start(pause=0.05)
    while not driver.promises():
        time.sleep(0.02)
    proxy.always(drop=True)
    time.sleep(1.0)
    child.kill()
    proxy.heal()
    here = list(driver.scratch.glob("*/*_epoch*.pth"))
    there = {name for name in behind.list() if "_epoch" in name}
    assert {path.name for path in here} - there, "nothing was only here"
    driver.finish()
    same_runs(calm, download(behind, tmp_path / "end"))


def test_second_driver_says_who_trains(drivers: tuple[Driver, Driver], behind: Store) -> None:
    """One trains; the other ends with exit code 4 and one line that names the first."""
    first = drivers[0].start(pause=0.1)
    while not drivers[0].promises():
        time.sleep(0.02)
    second = drivers[1].start()
    assert second.wait() == 4
    last = second.output.splitlines()[-1]
    assert last.startswith(f"holdfast: {drivers[0].url} is in use by process {first.pid} on ")
    assert first.running
    assert not list(drivers[1].scratch.glob("*/*.pth"))
    first.kill()


def test_frozen_driver_stops_without_harm(
    drivers: tuple[Driver, Driver], behind: Store, calm: Path, tmp_path: Path
) -> None:
    """Stopped past its lease and woken when another has gone on: exit code 4, the same bits."""
    first = drivers[0].start(pause=0.1)
    while not drivers[0].promises():
        time.sleep(0.02)
    with frozen(first):
        second = drivers[1].start(pause=0.05)
        while not drivers[1].promises():
            assert second.running, second.output
            time.sleep(0.02)
    assert first.wait() == 4, first.output
    assert "this process has lost its lease" in first.output.splitlines()[-1]
    assert "Traceback" not in first.output
    assert second.wait() == 0, second.output
    check_promises(drivers[0], download(behind, tmp_path / "end"))
    same_runs(calm, tmp_path / "end")


def test_store_that_is_away_at_the_end_is_exit_code_5(
    driver: Driver, proxy: FaultProxy, behind: Store, calm: Path, tmp_path: Path
) -> None:
    """Training ends on the machine, says what is not in the store, and the next start sends it."""
    child = driver.start(pause=0.01)
    while not driver.promises():
        time.sleep(0.01)
    proxy.always(status=503)
    assert child.wait() == 5, child.output
    assert "NOT in the store and in" in child.output.splitlines()[-1]
    assert "training goes on" in child.output
    proxy.heal()
    driver.finish()
    same_runs(calm, download(behind, tmp_path / "end"))


@pytest.mark.parametrize(
    ("damaged", "reason"),
    [
        (lambda data: data.replace(b"data/0", b"data/1"), "record"),
        (lambda data: data[: len(data) // 2], "truncated"),
        (lambda data: data[:-1], "truncated"),
        (lambda data: b"", "truncated"),
    ],
    ids=["altered", "half", "almost", "empty"],
)
def test_damaged_object_is_named_and_stepped_over(
    damaged: Callable[[bytes], bytes],
    reason: str,
    driver: Driver,
    proxy: FaultProxy,
    behind: Store,
    calm: Path,
    tmp_path: Path,
) -> None:
    """What rots in the store costs one checkpoint, and never another result."""
    child = driver.start(pause=0.1)
    while len([name for name in behind.list() if "_epoch" in name]) < 2:
        time.sleep(0.02)
    child.kill()
    driver.lose_machine()
    newest = max(
        list_all_checkpoints(download(behind, tmp_path / "then")), key=lambda f: rank(f.position)
    )
    behind.put(newest.path.name, damaged(newest.path.read_bytes()))
    output = driver.finish()
    assert f"{newest.path.name}: {reason}" in output
    assert "moved to damaged/" in output
    assert f"damaged/{newest.path.name}" in behind.list()
    same_runs(calm, download(behind, tmp_path / "end"))


def test_reading_commands_work_beside_a_training(
    driver: Driver, drivers: tuple[Driver, Driver]
) -> None:
    """They read the store, take no lease, and say who has it."""
    first = drivers[0].start(pause=0.1)
    while not drivers[0].promises():
        time.sleep(0.02)
    look = drivers[1].command("status", "--checkpoint-dir", driver.url)
    assert look.wait() == 0, look.output
    assert f"Directory:  {driver.url}" in look.output
    assert f"Training:   process {first.pid} on" in look.output
    assert "a crash now loses" in look.output
    verified = drivers[1].command("verify", "--checkpoint-dir", driver.url)
    assert verified.wait() == 0, verified.output
    assert "files are good" in verified.output
    refused = drivers[1].command("reset", "--yes", "--checkpoint-dir", driver.url)
    assert refused.wait() == 4, refused.output
    assert first.running
    first.kill()
