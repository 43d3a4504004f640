"""The thread that follows a run for another tool: killed, cut off, and in nobody's way."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from holdfast.errors import UsageError
from holdfast.tracking import check_tools, following
from tests.storage.disk import mounted
from tests.storage.test_full_disk import fill
from tests.tracking.events import scalars, texts
from tests.tracking.journals import NET, QUANTITIES, RUN_ID, WIDE, Training, points, single
from tests.tracking.storm import train_under_kills

TENSORBOARD = "tensorboard"


def wait_for(happened: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.02)


def shows(folder: Path, run: Path, job: str) -> bool:
    """Tell whether the event files of a job have what the journal has, each step once."""
    if not folder.is_dir() or not any(folder.iterdir()):
        return False
    tags = set(QUANTITIES.values())
    found = {key: value for key, value in scalars(folder).items() if key[0] in tags}
    return found == {(QUANTITIES[k], s): single(v) for (k, s), v in points(run, job).items()}


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def follow(tmp_path: Path, told: list[str]) -> Callable[..., AbstractContextManager[None]]:
    def followed(spec: str = TENSORBOARD) -> AbstractContextManager[None]:
        return following(tmp_path / "run", [spec], str(tmp_path / "run"), None, told.append)

    return followed


@pytest.fixture
def small_disk() -> Iterator[Path]:
    with mounted("size=256k") as where:
        yield where


def test_run_is_followed_while_it_is_trained(
    tmp_path: Path, told: list[str], follow: Callable[..., AbstractContextManager[None]]
) -> None:
    """Each epoch is there soon after the journal has it; the default folder is in the run's."""
    run = tmp_path / "run"
    training = Training(run)
    with follow():
        training.begin(NET)
        for number in (1, 2, 3):
            training.epochs(NET, number)
            wait_for(lambda: shows(run / "tensorboard" / NET, run, NET))
    assert told == []


def test_killed_followers_write_each_step_once(
    tmp_path: Path, follow: Callable[..., AbstractContextManager[None]]
) -> None:
    """Thirty processes are killed while they follow; the event files equal the journal."""
    run = tmp_path / "run"
    struck = train_under_kills(run, follow, kills=30, longest=0.1)

    assert struck == 30
    for job in (NET, WIDE):
        assert shows(run / "tensorboard" / job, run, job)
        assert len(list((run / "tensorboard" / job).iterdir())) == 1
    assert any(tag.startswith("interruption/") for tag in texts(run / "tensorboard" / NET))


def test_runs_that_share_a_folder_are_told_apart(
    tmp_path: Path, follow: Callable[..., AbstractContextManager[None]]
) -> None:
    """In a folder of the user's choice each run has its own, by name and id."""
    Training(tmp_path / "run").whole(NET)
    with follow(f"tensorboard:{tmp_path / 'all'}"):
        pass
    assert shows(tmp_path / "all" / f"run-{RUN_ID[:8]}" / NET, tmp_path / "run", NET)


def test_full_disk_is_told_once_and_caught_up(
    tmp_path: Path,
    told: list[str],
    follow: Callable[..., AbstractContextManager[None]],
    small_disk: Path,
) -> None:
    """Event files that do not fit wait; where there is space again, nothing is missing."""
    run, folder = tmp_path / "run", small_disk / "tb"
    training = Training(run)
    with follow(f"tensorboard:{folder}"):
        training.begin(NET)
        training.epochs(NET, 1)
        shown = folder / f"run-{RUN_ID[:8]}" / NET
        wait_for(lambda: shows(shown, run, NET))
        ballast = fill(small_disk)
        training.epochs(NET, *range(2, 6))
        for _ in range(40):  # more than the rest of its page
            training.journal.append("job_failed", job=NET, error="e" * 200)
            training.resume(NET, "finetune", 3)
        wait_for(lambda: bool(told))
        ballast.unlink()
    assert len(told) == 2, told
    assert "the disk is full" in told[0] and "training goes on" in told[0]
    assert told[1] == f"tensorboard ({folder / f'run-{RUN_ID[:8]}'}): has caught up"
    assert shows(shown, run, NET)


def test_tool_that_stays_away_is_waited_for_no_longer_than_said(
    tmp_path: Path,
    told: list[str],
    follow: Callable[..., AbstractContextManager[None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A folder that cannot be made is no reason to fail: one line, and one more at the end."""
    monkeypatch.setenv("HOLDFAST_TRACK_PATIENCE", "1")
    Training(tmp_path / "run").whole(NET)
    (tmp_path / "file").touch()
    with follow(f"tensorboard:{tmp_path / 'file'}"):
        pass
    assert len(told) == 2
    assert "a file stands where a folder should be" in told[0]
    assert "NOT up to date with 1 job" in told[1] and "the next start brings it" in told[1]


def test_extra_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is loaded or trained: what to install, and what a URI is missing."""
    monkeypatch.setattr("holdfast.tracking.opening.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"pip install 'holdfast\[tensorboard\]'"):
        check_tools(["tensorboard"])
    monkeypatch.undo()
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(UsageError, match="say where, as mlflow:http://HOST:PORT"):
        check_tools(["mlflow"])
    monkeypatch.setenv("HOLDFAST_TRACK_PATIENCE", "soon")
    with pytest.raises(UsageError, match="HOLDFAST_TRACK_PATIENCE=soon: give a number of seconds"):
        check_tools(["tensorboard"])
