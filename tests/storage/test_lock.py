"""One process writes in a directory, and the operating system knows which."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from holdfast.errors import DirectoryInUseError
from holdfast.storage import DirectoryLock, who_holds

HOLD = """
import sys
from pathlib import Path
from holdfast.storage import DirectoryLock
lock = DirectoryLock(Path(sys.argv[1]))
lock.acquire()
print("held", flush=True)
sys.stdin.read()
"""
LEAVE_A_WORKER = """
import os, signal, sys, time
from pathlib import Path
from holdfast.storage import DirectoryLock
lock = DirectoryLock(Path(sys.argv[1]))
lock.acquire()
if os.fork() == 0:
    os.kill(os.getppid(), signal.SIGKILL)
    print("held", flush=True)
    time.sleep(60)
    os._exit(0)
time.sleep(60)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the lock is."""
    return tmp_path / "run" / ".lock"


@pytest.fixture
def holder(path: Path) -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    """Start another process that holds the lock."""
    children = []

    def start(code: str = HOLD) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", code, str(path)]
        pipe = subprocess.PIPE
        child = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, text=True, start_new_session=True
        )
        children.append(child)
        assert child.stdout.readline() == "held\n"
        return child

    yield start
    for child in children:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.communicate()


def taken_and_given_back(path: Path) -> None:
    lock = DirectoryLock(path)
    lock.acquire()
    lock.release()


def test_second_process_is_told_who_is_there(path: Path, holder: Callable[..., object]) -> None:
    """The refusal is one line with host and process, and says what to do; its code is 4."""
    child = holder()

    with pytest.raises(DirectoryInUseError) as caught:
        DirectoryLock(path).acquire()

    message = str(caught.value)
    assert f"{path.parent} is in use by process {child.pid} on {socket.gethostname()}" in message
    assert "--checkpoint-dir" in message
    assert "\n" not in message
    assert caught.value.exit_code == 4


def test_lock_dies_with_its_holder(path: Path, holder: Callable[..., object]) -> None:
    """After SIGKILL of the holder the next start takes the lock: nothing is to be unlocked."""
    child = holder()
    child.kill()
    child.wait()

    taken_and_given_back(path)


def test_orphaned_worker_does_not_keep_the_lock(path: Path, holder: Callable[..., object]) -> None:
    """A loader's worker process that outlives its killed parent does not hold what it held."""
    if not hasattr(os, "fork"):
        pytest.skip("no fork here")
    holder(LEAVE_A_WORKER).wait()

    taken_and_given_back(path)


@pytest.mark.parametrize("contents", [b"", b"{", b"[]", b"{}", b"\xff\x00"])
def test_scrambled_holder_file_is_still_a_refusal(
    contents: bytes, path: Path, holder: Callable[..., object]
) -> None:
    """Whatever became of the file that names the holder, the lock itself is what counts."""
    holder()
    path.with_name(".lock.holder.json").write_bytes(contents)

    with pytest.raises(DirectoryInUseError, match="is in use by another process; wait for it"):
        DirectoryLock(path).acquire()


def test_taking_it_again_in_one_process_is_counted(path: Path) -> None:
    """It is free for others only when everyone in this process has given it back."""
    first, second = DirectoryLock(path), DirectoryLock(Path(os.path.relpath(path)))
    assert first.acquire()
    assert not second.acquire(), "it was held already"
    first.release()
    assert in_use_for_others(path)
    second.release()
    assert not in_use_for_others(path)


def test_process_that_has_given_it_back_holds_it_no_more(path: Path) -> None:
    """A notebook lives on after its training: it does not take itself for somebody who trains."""
    lock, again = DirectoryLock(path), DirectoryLock(path)
    lock.acquire()
    again.acquire()
    lock.release()
    assert f"process {os.getpid()} on" in (who_holds(path) or "")
    again.release()
    assert who_holds(path) is None


def test_other_threads_of_the_process_may_write(path: Path) -> None:
    """The lock is the process's: a background thread takes it again like anyone else."""
    lock, refused = DirectoryLock(path), []
    lock.acquire()

    def work() -> None:
        try:
            taken_and_given_back(path)
        except DirectoryInUseError as error:
            refused.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert refused == []
    assert in_use_for_others(path)
    lock.release()


def in_use_for_others(path: Path) -> bool:
    """Ask from another process."""
    code = HOLD.replace("sys.stdin.read()", "")
    child = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False
    )
    assert child.returncode == 0 or "DirectoryInUseError" in child.stderr, child.stderr
    return child.returncode != 0
