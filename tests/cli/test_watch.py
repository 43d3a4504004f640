"""``holdfast status --watch``: real terminals and pipes, beside a run that goes on."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from typer.testing import CliRunner

from holdfast.checkpoint import Ledger
from holdfast.cli import app
from holdfast.cli.watch import Watcher
from holdfast.rundir import JOURNAL, KFOLD_PROGRESS, RECOVERY_STATE, JobName, Position
from tests.status.whole import write_whole

NET, WIDE, FOLD = JobName("net"), JobName("wide"), JobName("net", 1)
RESULT = {"final_accuracy": 0.75, "f1": 0.5}
HIDE, SHOW, ENTER, LEAVE = "\x1b[?25l", "\x1b[?25h", "\x1b[?1049h", "\x1b[?1049l"
WATCH = [sys.executable, "-m", "holdfast", "status", "--watch", "--interval", "0.1"]


class Terminal:
    """The command in a terminal of its own, and all that it has drawn."""

    def __init__(self, directory: Path, rows: int = 24, columns: int = 80, **more: str) -> None:
        self.pid, self._terminal = pty.fork()
        if self.pid == 0:
            sized = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES")}
            command = [*WATCH, "--checkpoint-dir", str(directory)]
            os.execve(sys.executable, command, {**sized, "TERM": "xterm-256color", **more})
        self.drawn = ""
        self.resize(rows, columns)

    def resize(self, rows: int, columns: int) -> None:
        """Do what dragging the window's corner does."""
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def until(self, happened: Callable[[str], bool]) -> str:
        """Read on until what is drawn from now on says so; return that."""
        before, end = len(self.drawn), time.monotonic() + 60
        while not happened(self.drawn[before:]):
            assert time.monotonic() < end, self.drawn[before:]
            assert self._read(), self.drawn[before:]
        return self.drawn[before:]

    def end(self) -> int:
        """Read all the rest, and return the exit code."""
        while self._read():
            pass
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def send(self, keys: str) -> None:
        """Type."""
        os.write(self._terminal, keys.encode())

    def _read(self) -> bool:
        if not select.select([self._terminal], [], [], 60)[0]:
            return False
        try:
            data = os.read(self._terminal, 65536)
        except OSError:  # it has ended
            return False
        self.drawn += data.decode(errors="replace")
        return bool(data)

    def close(self) -> None:
        """End what a failed test has left."""
        with suppress(ProcessLookupError, ChildProcessError):
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self._terminal)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """A run of two backbones and a fold, the first of them in training."""
    ledger = Ledger(tmp_path / "run")
    ledger.identify()
    ledger.plan({"stages": {"head": 4}}, ["net", "wide"], {"net": 1})
    ledger.entered(NET, None)
    write_whole(tmp_path / "run" / "net_head_epoch1.pth")
    ledger.epochs_ended(NET, [{"stage": "head", "epoch": 1, "val_acc": 0.25}])
    ledger.publish()
    yield ledger
    ledger.close()


@pytest.fixture
def directory(ledger: Ledger) -> Path:
    """Where it is."""
    return ledger.directory


@pytest.fixture
def terminal(directory: Path) -> Iterator[Terminal]:
    """Somebody who watches."""
    terminal = Terminal(directory)
    yield terminal
    terminal.close()


def plain(drawn: str) -> str:
    """Return it without colours and movements."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", drawn).replace("\r", "")


def complete(ledger: Ledger, *jobs: JobName) -> None:
    for job in jobs:
        ledger.completed(job, RESULT, 7.0, weights=False)
    ledger.publish()


def is_put_back(drawn: str) -> bool:
    """Tell whether the cursor is there again, and the screen that was there before."""
    return drawn.rfind(SHOW) > drawn.rfind(HIDE) and drawn.rfind(LEAVE) > drawn.rfind(ENTER)


def test_table_goes_on_with_the_run_and_ends_with_it(terminal: Terminal, ledger: Ledger) -> None:
    """What happens is seen; complete, it ends by itself with 0, and the last table stays."""
    terminal.until(lambda drawn: "head 1/4" in drawn and "0.2500" in drawn)
    write_whole(ledger.directory / "net_head_epoch2.pth")
    terminal.until(lambda drawn: "head 2/4" in drawn)
    complete(ledger, NET, WIDE)
    terminal.until(lambda drawn: "2 of 2 backbones, 0 of 1 folds" in plain(drawn))
    complete(ledger, FOLD)

    assert terminal.end() == 0
    assert is_put_back(terminal.drawn)
    after = plain(terminal.drawn.rpartition(LEAVE)[2])
    assert "Complete:   2 of 2 backbones, 1 of 1 folds" in after
    assert "✓ net       complete    0.7500    1/1  0:00:14" in after
    assert "Ctrl-C" not in after


def test_ctrl_c_leaves_the_terminal_as_it_was(terminal: Terminal) -> None:
    """The look ends with 130; cursor and screen are put back, and no traceback is left."""
    terminal.until(lambda drawn: "head 1/4" in drawn)
    terminal.send("\x03")
    assert terminal.end() == 130
    assert is_put_back(terminal.drawn)
    assert "Traceback" not in terminal.drawn
    assert "head 1/4" in plain(terminal.drawn.rpartition(LEAVE)[2])


def test_sigterm_leaves_the_terminal_as_it_was(terminal: Terminal) -> None:
    """Somebody else's end of it is no other."""
    terminal.until(lambda drawn: "head 1/4" in drawn)
    os.kill(terminal.pid, signal.SIGTERM)
    assert terminal.end() == 143
    assert is_put_back(terminal.drawn)


def test_terminal_may_be_resized(terminal: Terminal) -> None:
    """The next drawing fits the new size."""
    terminal.until(lambda drawn: "Accuracy" in drawn and "Resumed" not in drawn)
    terminal.resize(9, 30)
    terminal.until(lambda drawn: fits(last_frame(drawn), 9, 30))


def last_frame(drawn: str) -> list[str]:
    """Return the lines of the last whole drawing."""
    return plain(drawn.split("\x1b[H")[-2] if drawn.count("\x1b[H") > 1 else "").split("\n")


def fits(lines: list[str], rows: int, columns: int) -> bool:
    """Tell whether it is a drawing of that size that has something to say."""
    return len(lines) <= rows and max(map(len, lines)) <= columns and "net" in "".join(lines)


def test_no_color_means_none(directory: Path) -> None:
    """With NO_COLOR no colour is sent; states are told by their marks."""
    terminal = Terminal(directory, NO_COLOR="1")
    terminal.until(lambda drawn: "▸ net" in plain(drawn) and "· wide" in plain(drawn))
    terminal.send("\x03")
    terminal.end()
    terminal.close()
    sent = {
        code
        for codes in re.findall(r"\x1b\[([0-9;]*)m", terminal.drawn)
        for code in codes.split(";")
    }
    assert sent <= {"", "0", "1", "2"}


def test_pipe_gets_a_line_for_each_change(directory: Path, ledger: Ledger) -> None:
    """No table and no control codes, only what is new; exit code 1 when what is left failed."""
    command = [*WATCH, "--checkpoint-dir", str(directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        first = [child.stdout.readline() for _ in range(2)]
        ledger.failed(WIDE, "RuntimeError: \x1b[31mno")
        complete(ledger, NET, FOLD)
        ledger.close()
        (directory / ".lock.holder.json").unlink()  # whoever trains ends; this process goes on
        rest = child.communicate(timeout=60)[0]

    said = [re.sub(r"^\d\d:\d\d:\d\d ", "", line).strip() for line in [*first, *rest.splitlines()]]
    assert said[0] == f"▸ {'net':<28} head, epoch 1/4, val acc 0.2500"
    assert said[1] == "Complete:   0 of 2 backbones, 0 of 1 folds"
    assert f"✓ {'net':<28} complete, accuracy 0.7500" in said
    assert f"✗ {'wide':<28} failed" in said
    assert said[-1] == "Complete:   1 of 2 backbones, 1 of 1 folds"
    assert "\x1b" not in rest
    assert child.returncode == 1


def damage(directory: Path) -> None:
    for name in (RECOVERY_STATE, KFOLD_PROGRESS, JOURNAL):
        (directory / name).write_bytes(b"\0" * 100)


def disk_fails(directory: Path) -> None:
    (directory / JOURNAL).unlink()
    (directory / JOURNAL).symlink_to("/proc/self/mem")


def vanish(directory: Path) -> None:
    directory.rename(directory.with_name("moved"))


def become_a_file(directory: Path) -> None:
    vanish(directory)
    directory.write_text("no run")


TROUBLES = {
    damage: "no run is recorded there any more",
    disk_fails: "Input/output error",
    vanish: "no such directory",
    become_a_file: "is a file",
}


@pytest.mark.parametrize("injury", TROUBLES, ids=lambda injury: injury.__name__)
def test_last_good_reading_is_kept(
    injury: Callable[[Path], None], directory: Path, ledger: Ledger, tmp_path: Path
) -> None:
    """Whatever becomes of the files, it goes on and says so, until they are back."""
    copy = {path.name: path.read_bytes() for path in directory.iterdir()}
    (directory / "net_head_epoch1.pth").unlink()
    watcher = Watcher(directory, 2.0)
    injury(directory)
    watcher.read()

    assert TROUBLES[injury] in (watcher.trouble or "")
    assert watcher.note.startswith("! This was so at ")
    assert [job.job for job in watcher.status.jobs] == ["net", "wide", "net_fold1"]
    assert watcher.verdict is None

    if directory.is_file():
        directory.unlink()
    directory.mkdir(exist_ok=True)
    for name, data in copy.items():
        (directory / name).unlink(missing_ok=True)
        (directory / name).write_bytes(data)
    watcher.read()
    assert watcher.trouble is None
    assert watcher.status.jobs[0].state == "started"


def test_files_that_come_and_go_while_it_looks(directory: Path, ledger: Ledger) -> None:
    """A writer beside it, who saves, prunes and publishes, never makes a reading fail."""
    watcher = Watcher(directory, 2.0)
    for epoch in range(1, 30):
        path = directory / f"net_head_epoch{epoch}.pth"
        writer = os.fork()
        if writer == 0:
            for _ in range(20):
                with suppress(OSError):
                    write_whole(path)
                    path.unlink()
            os._exit(0)
        watcher.read()
        os.waitpid(writer, 0)
        assert watcher.trouble is None


def test_interval_alone_is_a_slip() -> None:
    """Without --watch it would do nothing, so it is refused."""
    done = CliRunner().invoke(app, ["status", "--interval", "3"])
    assert done.exit_code == 2
    assert "add --watch, or leave it out" in " ".join(done.output.split())


def test_run_that_has_not_begun_is_waited_for(tmp_path: Path) -> None:
    """An empty directory is no fault: it says so until somebody trains there."""
    watcher = Watcher(tmp_path, 2.0)
    assert (watcher.status.begun, watcher.verdict) == (False, None)
    ledger = Ledger(tmp_path)
    ledger.plan({"stages": {"head": 1}}, ["net"], {})
    ledger.entered(NET, Position("head", 0))
    ledger.close()
    watcher.read()
    assert (watcher.status.begun, watcher.trouble) == (True, None)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--json"], "--watch is for people: for a program, call `holdfast status --json` again"),
        (["--checkpoint-dir", "none"], "none: no such directory; `holdfast train` makes it"),
    ],
)
def test_what_cannot_be_watched_is_one_line(
    arguments: list[str], words: str, tmp_path: Path
) -> None:
    """A name that leads nowhere may be a slip; it is not waited for."""
    command = [*WATCH, *arguments]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (2, f"holdfast: {words}\n")
