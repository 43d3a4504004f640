"""The commands and the guide's manager, given a URL where others give a folder."""

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from holdfast.checkpoint import CheckpointManager
from holdfast.cli.autostart import enable
from holdfast.errors import UsageError
from holdfast.storage.objects.address import Address
from holdfast.storage.objects.places import _scratches
from holdfast.storage.objects.store import Store
from tests.crash.sameness import same_runs
from tests.crash.tiny_run import TinyRun, tiny_run
from tests.objects.drivers import Driver, direct, download
from tests.objects.fault_proxy import Fault, FaultProxy
from tests.objects.servers import environment
from tests.warm_python import Child

NAME = "CustomRegNet"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TinyRun]:
    """A series of one backbone and two folds, with its undisturbed run in a folder."""
    with tiny_run(tmp_path_factory.mktemp("tiny"), [NAME], epochs=1) as run:
        yield run


@pytest.fixture
def driver(tiny: TinyRun, url: str, proxy: FaultProxy, tmp_path: Path) -> Driver:
    """A machine that runs commands at the URL."""
    return Driver(tiny.python, tmp_path, url, environment(proxy.endpoint, tmp_path / "scratch"))


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    yield
    _scratches.clear()


def train(driver: Driver, tiny: TinyRun, *more: str) -> Child:
    """Start the series at the URL, its images at another one."""
    settings = ("--config", str(tiny.home / "tiny.toml"), "--data", f"{driver.url}-photos")
    return driver.command("train", *settings, "--checkpoint-dir", driver.url, *more)


def test_series_goes_on_on_another_machine(
    driver: Driver, tiny: TinyRun, proxy: FaultProxy, tmp_path: Path
) -> None:
    """Killed with its disk gone, twice, under faults: the bits of the run in a folder."""
    photos = Store(Address.parse(f"{driver.url}-photos"))
    for path in tiny.data.rglob("*.png"):
        photos.put(path.relative_to(tiny.data).as_posix(), path)
    store = direct(driver.url, proxy.server.endpoint)
    for number in (2, 5):
        proxy.sometimes(0.1, number, Fault(status=503), Fault(drop=True), Fault(delay=0.1))
        child = train(driver, tiny)
        while len([n for n in store.list() if n.startswith("journal")]) < number:
            assert child.running, child.output
            time.sleep(0.05)
        child.kill()
        driver.lose_machine()
    proxy.heal()
    child = train(driver, tiny)
    assert child.wait() == 0, child.output
    assert "Previous training detected" in child.output
    same_runs(tiny.calm, download(store, tmp_path / "end"))

    verified = driver.command("verify", "--json", "--checkpoint-dir", driver.url)
    assert verified.wait() == 0, verified.output
    found = json.loads(verified.output)
    assert found["directory"] == driver.url
    assert found["good"] is True
    recovery = train(driver, tiny, "--verify-recovery")
    assert recovery.wait() == 0, recovery.output
    assert "files are good" in recovery.output
    reset = driver.command("reset", "--yes", "--backbone", NAME, "--checkpoint-dir", driver.url)
    assert reset.wait() == 0, reset.output
    assert f"Forgotten: {NAME} in {driver.url}" in reset.output
    assert not [name for name in store.list() if name.endswith(".pth")]


def test_repair_reads_every_byte_that_only_the_store_has(
    driver: Driver, url: str, proxy: FaultProxy
) -> None:
    """`verify` names what is damaged there, `verify --repair` moves it aside there."""
    fill(url, driver.scratch)
    store = direct(url, proxy.server.endpoint)
    data = store.get(f"{NAME}_head_epoch1.pth")[0]
    store.put(f"{NAME}_head_epoch1.pth", data.replace(b"\0\0\x80\x3f", b"\0\0\x80\x3e"))
    looked = driver.command("verify", "--checkpoint-dir", url)
    assert looked.wait() == 3, looked.output
    assert f"✗ {NAME}_head_epoch1.pth: record" in looked.output
    mended = driver.command("verify", "--repair", "--checkpoint-dir", url)
    assert mended.wait() == 0, mended.output
    assert f"damaged/{NAME}_head_epoch1.pth" in store.list()
    assert f"{NAME}_head_epoch1.pth" not in store.list()


def fill(url: str, scratch: Path) -> None:
    """Save three checkpoints there, and lose what was here."""
    manager = CheckpointManager(url)
    for epoch in (1, 2, 3):
        weights = {"weight": torch.full((2, 2), float(epoch))}
        manager.save_backbone_checkpoint(NAME, weights, epoch, {"val_accuracy": 0.5})
    manager.close()
    shutil.rmtree(scratch)
    _scratches.clear()


def test_manager_of_the_guide_works_at_a_url(url: str, store: Store, scratch: Path) -> None:
    """What one machine saved another finds, loads, prunes and completes; nothing is half there."""
    fill(url, scratch)
    manager = CheckpointManager(url)
    status = manager.get_recovery_status()
    assert (status["recovery_available"], status["current_epoch"]) == (True, 3)
    loaded = manager.load_backbone_checkpoint(NAME)
    assert torch.equal(loaded["model_state_dict"]["weight"], torch.full((2, 2), 3.0))
    first = manager.load_backbone_checkpoint(NAME, "head", 1)
    assert torch.equal(first["model_state_dict"]["weight"], torch.ones(2, 2))
    assert manager.verify()["good"]
    manager.cleanup_old_checkpoints(NAME, 2)
    manager.mark_backbone_complete(NAME, {"accuracy": 0.75})
    manager.save_kfold_progress(NAME, 1, {"accuracy": 0.5}, folds=2)
    manager.close()
    names = {name for name in store.list() if name.endswith(".pth")}
    assert names == {f"{NAME}_{n}.pth" for n in ("head_epoch2", "head_epoch3", "best")}
    shutil.rmtree(scratch)
    _scratches.clear()
    another = CheckpointManager(url)
    assert another.get_completed_backbones() == [NAME]
    assert another.load_kfold_progress(NAME) == {1: {"accuracy": 0.5, "final_accuracy": 0.5}}
    another.reset_recovery()
    another.close()
    assert not [name for name in store.list() if name.endswith(".pth")]


def test_reader_sees_what_another_machine_adds(url: str, scratch: Path) -> None:
    """A manager that only reads looks again, and is in nobody's way."""
    fill(url, scratch)
    reader = CheckpointManager(url)
    assert reader.get_recovery_status()["current_epoch"] == 3
    held = next(iter(_scratches.values()))
    with pytest.MonkeyPatch.context() as elsewhere:
        elsewhere.setenv("HOLDFAST_SCRATCH", str(scratch.with_name("elsewhere")))
        writer = CheckpointManager(url)
        writer.save_backbone_checkpoint(NAME, {"weight": torch.zeros(1)}, 4)
        writer.close()
    held._looked = float("-inf")  # two seconds later
    assert reader.get_recovery_status()["current_epoch"] == 4
    assert reader.load_backbone_checkpoint(NAME)["epoch"] == 4


def test_nothing_there_is_said(driver: Driver) -> None:
    """As of a folder without a run."""
    looked = driver.command("status", "--checkpoint-dir", driver.url)
    assert looked.wait() == 0
    assert f"{driver.url}: no run is recorded here" in looked.output


def test_store_that_cannot_be_reached_is_one_line(driver: Driver, proxy: FaultProxy) -> None:
    """Exit code 5, after a while of trying, and no traceback."""
    proxy.always(drop=True)
    child = driver.start()
    assert child.wait() == 5, child.output
    lines = child.output.splitlines()
    assert "waiting for it, 3 s at most" in lines[0]
    assert lines[-1].startswith(f"holdfast: {driver.url}: the store does not answer")
    assert len(lines) == 2


def test_autostart_of_a_run_that_never_started_there_is_refused(url: str) -> None:
    """It reads the run's record from the store."""
    with pytest.raises(UsageError, match="how the run was started here is not recorded"):
        enable(url)
