"""``holdfast train --supervise``: real children that die, finish, advance, and are stopped."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from holdfast.cli.supervise import PATIENCE, Supervisor
from holdfast.errors import HoldfastError, Interrupted
from holdfast.rundir import JobName, Journal, RecoveryState, save_state

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals as POSIX has them")

SCRIPT = """
import os, sys, zipfile
from pathlib import Path
run = Path(sys.argv[1])
with (run / "starts").open("a") as file: file.write("x")
start = (run / "starts").stat().st_size

def reach(name):
    with zipfile.ZipFile(run / name, "w") as archive: archive.writestr("archive/data.pkl", b"w")

def die(number=9): os.kill(os.getpid(), number)

"""


def supervisor(run: Path, code: str, first_wait: float = 0.001) -> Supervisor:
    """Return a supervisor of a script that sees which start it is, reaches places, and dies."""
    save_state(run, RecoveryState(backbones=["net"], run={"stages": {"head": 3, "finetune": 9}}))
    return Supervisor([sys.executable, "-c", SCRIPT + code, str(run)], run, ["net"], first_wait)


def starts(run: Path) -> int:
    return (run / "starts").stat().st_size


def test_five_restarts_without_progress_are_the_last(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each restart is told and waits twice as long; after the fifth in vain comes exit code 1."""
    with pytest.raises(HoldfastError, match=r"SIGKILL.*5 restarts in a row got no job") as given_up:
        supervisor(tmp_path, "die()").run()

    assert given_up.value.exit_code == 1
    assert "\n" not in str(given_up.value)
    assert starts(tmp_path) == 1 + PATIENCE == 6
    assert capsys.readouterr().err.splitlines() == [
        f"holdfast: training died (SIGKILL, often: out of memory); starting it again in {wait} s"
        for wait in ("0.001", "0.002", "0.004", "0.008", "0.016")
    ]


def test_training_that_advances_is_never_given_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A checkpoint further than all before makes count and back-off begin anew."""
    places = "['head_epoch0', 'head_epoch3', 'finetune_epoch0', 'finetune_epoch0_step7']"
    code = f"""
if start % 3 == 0 and start < 13: reach(f"net_{{{places}[start // 3 - 1]}}.pth")
if start < 16: die()
"""
    assert supervisor(tmp_path, code).run() == 0

    assert starts(tmp_path) == 16
    waits = [line.split()[-2] for line in capsys.readouterr().err.splitlines()]
    assert waits[:6] == ["0.001", "0.002", "0.001", "0.002", "0.004", "0.001"]


def test_completed_job_is_progress(tmp_path: Path) -> None:
    """A result counts, although the checkpoint of its job stays where it was."""
    save = "from holdfast.rundir import *\n"
    save += "state = load_state(run)\n"
    save += "if start == 4: state.results[JobName('net')] = {}; save_state(run, state)\n"
    with pytest.raises(HoldfastError):
        supervisor(tmp_path, save + "die()").run()

    assert starts(tmp_path) == 4 + PATIENCE


def test_place_reached_before_is_no_progress(tmp_path: Path) -> None:
    """A checkpoint that is lost and made again, for ever, does not go on for ever."""
    code = "reach('net_head_epoch1.pth') if start % 2 else (run / 'net_head_epoch1.pth').unlink()"
    with pytest.raises(HoldfastError):
        supervisor(tmp_path, code + "\nif start < 20: die()").run()

    assert starts(tmp_path) == 1 + PATIENCE


@pytest.mark.parametrize("code", [0, 2, 3, 4, 130, 143])
def test_exit_codes_that_no_restart_would_change(code: int, tmp_path: Path) -> None:
    """Done, bad usage, refused, in use, politely stopped: passed through at once."""
    assert supervisor(tmp_path, f"sys.exit({code})").run() == code
    assert starts(tmp_path) == 1


@pytest.mark.parametrize(
    ("death", "cause"),
    [
        ("sys.exit(5)", "storage failed"),
        ("sys.exit(137)", "exit code 137"),
        ("die(11)", "SIGSEGV"),
        ("die(7)", "SIGBUS"),
        ("die(40)", "signal 40"),
    ],
)
def test_other_deaths_are_named_and_followed_by_a_restart(
    death: str, cause: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A full disk, a fault in native code, a code nobody knows: it is tried again."""
    assert supervisor(tmp_path, f"if start == 1: {death}").run() == 0
    assert starts(tmp_path) == 2
    assert f"training died ({cause}); " in capsys.readouterr().err


def test_exit_code_1_is_final_only_when_each_job_was_tried(tmp_path: Path) -> None:
    """1 says that some job failed, but also that python died of an error nobody expected."""
    tried, untried = tmp_path / "tried", tmp_path / "untried"
    for run in (tried, untried):
        run.mkdir()
    mine = supervisor(tried, "sys.exit(1)")
    failed = {JobName("net"): "it diverged"}
    save_state(tried, RecoveryState(backbones=["net", "others"], failed=failed))

    assert mine.run() == 1
    assert starts(tried) == 1
    assert supervisor(untried, "sys.exit(start == 1)").run() == 0
    assert starts(untried) == 2


def test_stop_while_waiting_ends_at_once(tmp_path: Path) -> None:
    """A request to stop does not wait for the back-off, and starts no other child."""
    before = signal.getsignal(signal.SIGTERM)
    soon = threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGTERM))
    soon.start()
    began = time.monotonic()
    with pytest.raises(Interrupted) as stopped:
        supervisor(tmp_path, "die()", first_wait=60).run()

    assert time.monotonic() - began < 30
    assert (starts(tmp_path), stopped.value.exit_code) == (1, 143)
    assert signal.getsignal(signal.SIGTERM) is before


def test_child_killed_by_a_stop_signal_was_asked_to_stop(tmp_path: Path) -> None:
    """A stop that comes before the training can listen ends it, and is no reason to restart."""
    assert supervisor(tmp_path, "die(15)").run() == 143
    assert starts(tmp_path) == 1


def test_second_ctrl_c_does_not_reach_the_child_twice(tmp_path: Path) -> None:
    """The terminal has told the child already; what it has not told is passed on each time."""
    code = """
import signal, time
def note(number, frame):
    with (run / "heard").open("a") as file: file.write(signal.Signals(number).name + " ")
    if number == signal.SIGTERM: sys.exit(143)
signal.signal(signal.SIGINT, note), signal.signal(signal.SIGTERM, note)
(run / "heard").touch()
while True: time.sleep(1)
"""
    heard = tmp_path / "heard"

    def ask() -> None:
        while not heard.exists():
            time.sleep(0.01)
        for number in (signal.SIGINT, signal.SIGINT, signal.SIGTERM):
            os.kill(os.getpid(), number)
            time.sleep(0.3)

    asking = threading.Thread(target=ask)
    asking.start()
    assert supervisor(tmp_path, code).run() == 143
    asking.join()
    assert heard.read_text() == "SIGINT SIGTERM "


# from here on the children are real trainings

TINY = """
backbones = "CustomMobileOne"
size = "tiny"
image_size = 32
batch_size = 16
epochs_head = 1
epochs_finetune = {epochs}
folds = 0
patience = 1000
save_interval = 1000.0
threads = 1
"""
IN_A_TERMINAL = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"


@contextmanager
def training(
    home: Path, data: Path, epochs: int, *before: str
) -> Iterator[tuple[subprocess.Popen[bytes], Callable[[], str]]]:
    """Train under supervision in the background; yield the process and what it has printed."""
    (home / "tiny.toml").write_text(TINY.format(epochs=epochs))
    command = [sys.executable, "-m", "holdfast", "train", "--supervise", "--data", str(data)]
    with (home / "output").open("wb") as output:
        child = subprocess.Popen(
            [*before, *command, "--config", "tiny.toml"],
            cwd=home,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    with child:
        try:
            yield child, lambda: (home / "output").read_text(encoding="utf-8")
        finally:
            child.kill()


def wait_for(path: Path, child: subprocess.Popen[bytes], output: Callable[[], str]) -> None:
    deadline = time.monotonic() + 120
    while not path.exists():
        assert child.poll() is None, output()
        assert time.monotonic() < deadline, output()
        time.sleep(0.02)


def events(run: Path, event: str) -> list[dict[str, object]]:
    return [record for record in Journal(run).read() if record["event"] == event]


def test_killed_training_is_started_again_and_ends_complete(
    digits_folder: Path, tmp_path: Path
) -> None:
    """SIGKILL of the training in its middle needs no hands: it goes on, to exit code 0."""
    run = tmp_path / "checkpoints"
    with training(tmp_path, digits_folder, 8) as (parent, output):
        wait_for(run / "CustomMobileOne_finetune_epoch2.pth", parent, output)
        holder = json.loads((run / ".lock.holder.json").read_text())["pid"]
        assert holder != parent.pid
        os.kill(holder, signal.SIGKILL)
        assert parent.wait(timeout=120) == 0, output()

    assert "training died (SIGKILL, often: out of memory); starting it again in 1 s" in output()
    assert "1 of 1 backbones complete" in output()
    assert len(events(run, "job_resumed")) == 1
    assert len(events(run, "job_completed")) == 1
    (started,) = events(run, "started")
    assert started["command"] == ["--data", str(digits_folder), "--config", "tiny.toml"]


@pytest.mark.parametrize("way", ["SIGTERM", "Ctrl-C"])
def test_stop_saves_and_ends_both(way: str, digits_folder: Path, tmp_path: Path) -> None:
    """A signal to the parent, or typed, so that both get it: the training saves, and both end."""
    run = tmp_path / "checkpoints"
    terminal = [sys.executable, "-c", IN_A_TERMINAL]
    before = [] if way == "SIGTERM" else terminal
    with training(tmp_path, digits_folder, 500, *before) as (parent, output):
        wait_for(run / "CustomMobileOne_finetune_epoch2.pth", parent, output)
        holder = json.loads((run / ".lock.holder.json").read_text())["pid"]
        if way == "Ctrl-C":
            assert parent.stdin is not None
            parent.stdin.write(b"\x03")
            parent.stdin.flush()
        else:
            parent.terminate()
        assert parent.wait(timeout=120) == (130 if way == "Ctrl-C" else 143), output()

    assert output().count("Stopped: CustomMobileOne, finetune epoch") == 1, output()
    assert "Traceback" not in output()
    assert "training died" not in output()
    assert len(events(run, "job_interrupted")) == 1
    with pytest.raises(ProcessLookupError):
        os.kill(holder, 0)
