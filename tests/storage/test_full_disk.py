"""A real disk that is full, or read-only."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast.errors import StorageError
from holdfast.rundir import Journal
from holdfast.storage import DirectoryLock, make_directory, write_atomically
from tests.storage.disk import mounted, read_only

FULL = "the disk is full; free some space and run the same command again"
PAGE = 4096


@pytest.fixture
def disk() -> Iterator[Path]:
    """A disk of one megabyte."""
    with mounted("size=1m") as where:
        yield where


def fill(disk: Path, leave: int = 0) -> Path:
    """Leave ``leave`` free pages on ``disk``."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(PAGE))
        except OSError:
            file.truncate(max(file.tell() - leave * PAGE, 0))
    return ballast


def test_full_disk_leaves_the_old_file(disk: Path) -> None:
    """ENOSPC is told in one plain line; the old bytes stand, and no half-written ones."""
    target = disk / "state.json"
    write_atomically(target, b"old")

    with pytest.raises(StorageError) as caught:
        write_atomically(target, bytes(2 << 20))

    assert str(caught.value) == f"{target}: {FULL}"
    assert target.read_bytes() == b"old"
    assert list(disk.iterdir()) == [target]


def test_journal_survives_a_full_disk(disk: Path) -> None:
    """A record torn by a full disk is refused aloud, and does not spoil the next one."""
    journal = Journal(disk)
    journal.append("note", job="A", epoch=1)
    ballast = fill(disk, leave=1)
    with pytest.raises(StorageError, match=FULL):
        journal.append("note", job="A", epoch=2, note="n" * 3 * PAGE)
    assert journal.path.stat().st_size >= PAGE, "nothing was torn: the test tests nothing"
    ballast.unlink()
    journal.append("note", job="A", epoch=3)

    assert [record["epoch"] for record in journal.read()] == [1, 3]


def test_lock_is_not_taken_where_its_holder_cannot_be_named(disk: Path) -> None:
    """Who is refused for a full disk holds nothing: once there is space, anyone may start."""
    (disk / "run").mkdir()
    ballast = fill(disk)
    lock = DirectoryLock(disk / "run" / ".lock")
    with pytest.raises(StorageError, match=FULL):
        lock.acquire()
    ballast.unlink()

    lock.acquire()
    try:
        assert (disk / "run" / ".lock.holder.json").exists()
    finally:
        lock.release()


def test_read_only_disk_is_a_storage_error(disk: Path) -> None:
    """Every writer, the lock included, says that the directory is not writable."""
    target = disk / "state.json"
    write_atomically(target, b"old")
    writers = [
        lambda: write_atomically(target, b"new"),
        lambda: Journal(disk).append("note"),
        lambda: make_directory(disk / "run"),
        lambda: DirectoryLock(disk / ".lock").acquire(),
    ]
    with read_only(disk):
        for write in writers:
            with pytest.raises(StorageError, match="not writable; make it so, or choose another"):
                write()

    assert list(disk.iterdir()) == [target]
    assert target.read_bytes() == b"old"


def test_file_in_the_place_of_a_directory_is_a_storage_error(tmp_path: Path) -> None:
    """A checkpoint directory that is a file is named as what it is."""
    (tmp_path / "run").touch()
    with pytest.raises(StorageError, match="a file stands where a folder should be"):
        DirectoryLock(tmp_path / "run" / ".lock").acquire()
