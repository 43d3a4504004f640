"""Telling people: real messages over HTTP, what is in them, and what is never shown."""

import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast.cli.supervise import Supervisor
from holdfast.cli.telling import SUPERVISED, Messages, telling
from holdfast.config import resolve
from holdfast.errors import (
    ConfigError,
    DirectoryInUseError,
    HoldfastError,
    Interrupted,
    LeaseLostError,
    RecoveryRefusedError,
    StorageError,
    UsageError,
)
from holdfast.rundir import JobName, RecoveryState, save_state
from holdfast.tracking import Notifier, StallWatch, addresses
from holdfast.tracking.notify import without_address
from tests.cli.test_supervise import supervisor
from tests.tracking.hook_server import SECRET, Hook, hook_server

AGAIN = "cd /home/me && holdfast train"


@pytest.fixture
def hook() -> Iterator[Hook]:
    with hook_server() as hook:
        yield hook


@pytest.fixture
def run(tmp_path: Path) -> Path:
    run = tmp_path / "photos-run"
    run.mkdir()
    state = RecoveryState(backbones=["net", "wide"], folds={"net": 2}, run={"stages": {"head": 3}})
    state.results = {JobName("net"): {}, JobName("net", 1): {}}
    state.failed = {JobName("wide"): "TrainingDivergedError: the loss is nan"}
    save_state(run, state)
    return run


def messages(hook: Hook, run: Path, told: list[str] | None = None) -> Messages:
    notice = (told if told is not None else []).append
    return Messages(Notifier([hook.address], notice), str(run), AGAIN)


def test_end_says_what_where_how_far_and_what_to_do(hook: Hook, run: Path) -> None:
    """Finished, or some job failed: one message, with the command that comes next."""
    for code in (0, 1):
        mine = messages(hook, run)
        with telling(mine):
            mine.ended(code)
    assert hook.titles == ["Holdfast finished", "Holdfast failed"]
    finished, failed = (message["message"].splitlines() for message in hook.told)
    assert finished[1] == "1 of 2 backbones complete, 1 of 2 folds"
    assert f"Directory: {run}" in finished
    assert finished[-1] == f"Next: holdfast status --checkpoint-dir {run}"
    assert "wide failed: TrainingDivergedError: the loss is nan" in failed
    assert failed[-1] == f"Next: {AGAIN}"
    assert hook.paths == [f"/{SECRET}"] * 2


@pytest.mark.parametrize(
    ("fault", "title"),
    [
        (StorageError("the disk is full"), "Holdfast failed"),
        (RecoveryRefusedError("another run"), "Holdfast failed"),
        (LeaseLostError("taken over"), "Holdfast failed"),
        (PermissionError(13, "no", "there"), "Holdfast failed"),
        (ZeroDivisionError("a bug"), "Holdfast failed"),
        (Interrupted(signal.SIGTERM, "net, head epoch 2"), "Holdfast interrupted"),
        (KeyboardInterrupt(), "Holdfast interrupted"),
    ],
)
def test_fault_that_ends_the_series_is_told(
    fault: BaseException, title: str, hook: Hook, run: Path
) -> None:
    """Whatever ends a series without its end is told, and goes on as it was."""
    with pytest.raises(type(fault)), telling(messages(hook, run)):
        raise fault
    assert hook.titles == [title]
    assert hook.told[0]["message"].endswith(f"Next: {AGAIN}")


@pytest.mark.parametrize("fault", [UsageError("a typo"), DirectoryInUseError("in use")])
def test_who_has_just_typed_is_not_told(fault: HoldfastError, hook: Hook, run: Path) -> None:
    """Bad usage, and a second start beside the first, are on the screen already."""
    with pytest.raises(type(fault)), telling(messages(hook, run)):
        raise fault
    assert hook.told == []


def test_death_that_a_supervisor_mends_is_no_failure(
    hook: Hook, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A child that is started again tells nothing; one that would not be, does."""
    monkeypatch.setenv(SUPERVISED, "1")
    for fault in (StorageError("full"), HoldfastError("died"), ZeroDivisionError("a bug")):
        with pytest.raises(type(fault)), telling(messages(hook, run)):
            raise fault
    assert hook.told == []
    with pytest.raises(RecoveryRefusedError), telling(messages(hook, run)):
        raise RecoveryRefusedError("another run")
    assert hook.titles == ["Holdfast failed"]


def test_supervisor_that_gives_up_tells_it(hook: Hook, tmp_path: Path) -> None:
    """Five restarts in vain are one message, with the death's cause."""
    mine = supervisor(tmp_path, "die()")
    with pytest.raises(HoldfastError, match="given up"), telling(messages(hook, tmp_path)):
        mine.run()
    assert hook.titles == ["Holdfast failed"]
    assert "SIGKILL" in hook.told[0]["message"]


def test_children_know_that_they_are_supervised(tmp_path: Path) -> None:
    """What a supervisor gives its children by their environment arrives there."""
    save_state(tmp_path, RecoveryState(backbones=["net"]))
    code = "import os, sys; sys.exit(3 * (os.environ['HOLDFAST_SUPERVISED'] == '1'))"
    given = {SUPERVISED: "1"}
    mine = Supervisor([sys.executable, "-c", code], tmp_path, ["net"], environment=given)
    assert mine.run() == 3


def test_server_that_is_busy_is_tried_again(hook: Hook, run: Path) -> None:
    """Two refusals delay a message; they do not lose it."""
    told: list[str] = []
    hook.refuses = 2
    mine = messages(hook, run, told)
    with telling(mine):
        mine.ended(0)
    assert (hook.titles, told) == (["Holdfast finished"], [])


def test_message_that_cannot_be_sent_is_one_line_without_the_address(
    run: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody listens: bounded in time, no exception, and neither host nor secret is shown."""
    monkeypatch.setenv("HOLDFAST_NOTIFY_PATIENCE", "1")
    told: list[str] = []
    notifier = Notifier([f"json://user:{SECRET}@localhost:1/{SECRET}"], told.append)
    mine = Messages(notifier, str(run), AGAIN)
    with telling(mine):
        mine.ended(0)
    (line,) = told
    assert line.startswith("notify 1 (json): could not tell 'Holdfast finished on ")
    assert SECRET not in line + caplog.text and "localhost" not in line
    assert "\n" not in line


def test_any_part_of_an_address_is_taken_out_of_what_is_shown() -> None:
    """Tokens stand where hosts do, in paths, and percent-encoded."""
    address = "tgram://123:ABC-def/chat%2Droom/?to=someone"
    assert without_address("to 123, ABC-def, chat-room, chat%2Droom: someone", address) == (
        "to …, …, …, …: …"
    )


def test_option_goes_before_environment_and_that_before_the_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A supervisor gives by the environment what was an option, and the file may say otherwise."""
    monkeypatch.setenv("HOLDFAST_NOTIFY", " json://b  json://c ")
    assert addresses(["json://a"], ["json://d"]) == ["json://a"]
    assert addresses([], ["json://d"]) == ["json://b", "json://c"]
    monkeypatch.delenv("HOLDFAST_NOTIFY")
    assert addresses([], ["json://d"]) == ["json://d"]


def test_no_fault_repeats_an_address() -> None:
    """Neither a setting that is no URL, nor a kind that nobody knows, nor a password in a URI."""
    with pytest.raises(ConfigError, match="notify: address 2 of 2 is no URL") as no_url:
        resolve({"notify": ["json://x", SECRET]})
    with pytest.raises(UsageError, match=r"address 1 \(foo\) is none that Apprise") as unknown:
        Notifier([f"foo://{SECRET}"], print)
    with pytest.raises(ConfigError, match="leave user and password out") as password:
        resolve({"track": [f"mlflow:http://me:{SECRET}@host"]})
    config = resolve({"notify": f"json://{SECRET}"})
    shown = [str(f.value) for f in (no_url, unknown, password)]
    assert SECRET not in "".join([*shown, repr(config), config.model_dump_json()])


def watched(after: float | None) -> tuple[StallWatch, list[str]]:
    told: list[str] = []
    watch = StallWatch(after, lambda s: told.append("stalled"), lambda s: told.append("moves"))
    return watch, told


def test_stall_is_told_once_and_so_is_its_end() -> None:
    """Nothing for longer than the setting allows; then a step, then nothing again."""
    watch, told = watched(0.2)
    with watch:
        end = time.monotonic() + 60
        while len(told) < 1 and time.monotonic() < end:
            time.sleep(0.01)
        time.sleep(0.5)
        assert told == ["stalled"]
        watch.alive()
        assert told == ["stalled", "moves"]
        while len(told) < 3 and time.monotonic() < end:
            time.sleep(0.01)
    assert told == ["stalled", "moves", "stalled"]


def test_bound_follows_the_usual_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    """15 minutes, or 20 usual steps, or twice the longest wait so far: whichever is more."""
    clock = iter([0.0, 60.0, 120.0, 180.0])
    watch, _ = watched(None)
    assert watch.bound == 900
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    for _ in range(4):
        watch.alive()
    monkeypatch.undo()
    assert watch.bound == 20 * 60
