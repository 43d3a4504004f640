"""``holdfast status --watch`` of a run at a URL: read again, beside whoever writes it."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from holdfast.checkpoint import CheckpointManager
from holdfast.cli.watch import Watcher
from holdfast.storage.objects import viewed
from holdfast.storage.objects.places import _scratches
from tests.objects.fault_proxy import FaultProxy

NAME = "CustomRegNet"
MODEL = torch.nn.Linear(2, 2)


@pytest.fixture
def manager(url: str) -> Iterator[CheckpointManager]:
    """Somebody who trains at the URL, and has saved one epoch there."""
    manager = CheckpointManager(url)
    save(manager, 1)
    yield manager
    manager.close()
    _scratches.clear()


def save(manager: CheckpointManager, epoch: int) -> None:
    history = {"stage": ["head"] * epoch, "epoch": list(range(1, epoch + 1))}
    manager.save_backbone_checkpoint(NAME, MODEL.state_dict(), epoch, {}, history, stage="head")


def until(watcher: Watcher, happened: Callable[[], bool]) -> None:
    """Let it read until it has seen something."""
    end = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < end, (watcher.trouble, watcher.status.jobs)
        watcher.read()
        time.sleep(0.05)


def test_run_at_a_url_is_read_again(
    url: str, manager: CheckpointManager, proxy: FaultProxy
) -> None:
    """New epochs are seen, what has not changed is not fetched again, and who trains is named."""
    with viewed(url) as directory:
        watcher = Watcher(directory, 10.0)
        assert watcher.status.directory == url
        until(watcher, lambda: f"{NAME}_head_epoch1.pth" in names(directory))
        proxy.seen.clear()
        save(manager, 2)
        until(watcher, lambda: [j.epoch for j in watcher.status.jobs if j.job == NAME] == [2])
        assert "process" in (watcher.status.training or "")
        fetched = [path for method, path in proxy.seen if method == "GET"]
        assert not any(f"{NAME}_head_epoch1.pth" in path for path in fetched)

        manager.close()
        until(watcher, lambda: watcher.status.training is None)


def test_store_that_stays_away_leaves_the_last_reading(
    url: str, manager: CheckpointManager, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says so, keeps what it has read, and goes on when the store is back."""
    monkeypatch.setenv("HOLDFAST_STORE_PATIENCE", "1")
    manager.close()
    with viewed(url) as directory:
        watcher = Watcher(directory, 10.0)
        assert [job.epoch for job in watcher.status.jobs if job.job == NAME] == [1]
        proxy.always(status=503)
        watcher.read()
        assert "503" in (watcher.trouble or "")
        assert [job.epoch for job in watcher.status.jobs if job.job == NAME] == [1]
        proxy.heal()
        watcher.read()
        assert watcher.trouble is None


def names(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir()]
