"""A file is replaced whole and durably, whatever happens in between."""

from itertools import groupby
from pathlib import Path

import pytest

from holdfast.errors import StorageError
from holdfast.storage import (
    atomic_writer,
    final_name,
    is_temporary,
    remove_temporaries,
    write_atomically,
)
from tests.storage.strace import injected, traced

OLD, NEW = b"old" * 40_000, b"new" * 50_000
WRITE = """
import sys
from pathlib import Path
from holdfast.errors import StorageError
from holdfast.storage import write_atomically
try:
    write_atomically(Path(sys.argv[1]), b"new" * 50_000)
except StorageError as error:
    sys.exit(f"StorageError: {error}")
"""


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """A file with old contents, alone in its directory."""
    directory = tmp_path / "run"
    directory.mkdir()
    path = directory / "state.json"
    path.write_bytes(OLD)
    return path


def test_order_is_write_sync_rename_sync_directory(target: Path, tmp_path: Path) -> None:
    """The bytes are synced before the rename, the directory after it, and nothing in between."""
    calls = traced(WRITE, target, about=target.parent, work=tmp_path)

    temporary = next(call.paths[0] for call in calls)
    steps = [key for key, _ in groupby((call.name, *call.paths) for call in calls)]
    assert is_temporary(Path(temporary))
    assert steps == [
        ("open", temporary),
        ("write", temporary),
        ("fsync", temporary),
        ("rename", temporary, str(target)),
        ("open", str(target.parent)),
        ("fsync", str(target.parent)),
    ]
    assert target.read_bytes() == NEW


def test_final_name_is_never_opened_for_writing(target: Path, tmp_path: Path) -> None:
    """No O_TRUNC, O_WRONLY or O_RDWR on what stands: it is only ever replaced."""
    calls = traced(WRITE, target, about=target.parent, work=tmp_path)

    opened = [call for call in calls if call.name == "open"]
    writing = [call for call in opened if "O_WRONLY" in call.arguments]
    assert len(writing) == 1
    assert is_temporary(Path(writing[0].paths[0]))
    assert not any("O_RDWR" in call.arguments for call in opened)


def test_failing_block_leaves_the_old_file_alone(target: Path) -> None:
    """What the block raises comes out unchanged; the half-written bytes are gone."""
    with pytest.raises(RuntimeError, match="mid-write"), atomic_writer(target) as file:
        file.write(NEW)
        raise RuntimeError("mid-write")

    assert target.read_bytes() == OLD
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize(
    ("moment", "contents"),
    [
        pytest.param("write:signal=SIGKILL:when=1", OLD, id="write"),
        pytest.param("fsync:signal=SIGKILL:when=1", OLD, id="fsync-of-the-file"),
        pytest.param("/^rename:signal=SIGKILL:when=1", OLD, id="rename"),
        pytest.param("fsync:signal=SIGKILL:when=2", NEW, id="fsync-of-the-directory"),
    ],
)
def test_killed_writer_leaves_old_or_new_whole(moment: str, contents: bytes, target: Path) -> None:
    """After SIGKILL at any step the file is the old one or the new one, never a mixture."""
    child = injected(moment, WRITE, target)

    assert child.returncode == -9, "it was not killed"
    assert target.read_bytes() == contents
    remove_temporaries(target.parent)
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize(("when", "contents"), [(1, OLD), (2, NEW)])
def test_failing_fsync_is_a_storage_error(when: int, contents: bytes, target: Path) -> None:
    """EIO from fsync is never taken for success, and leaves old or new bytes, whole."""
    child = injected(f"fsync:error=EIO:when={when}", WRITE, target)

    assert child.stderr.startswith(f"StorageError: {target}: Input/output error")
    assert child.stderr.count("\n") == 1
    assert target.read_bytes() == contents
    assert list(target.parent.iterdir()) == [target]


def test_failed_fsync_is_not_tried_again(target: Path, tmp_path: Path) -> None:
    """After a failed fsync the kernel may have dropped the pages: a second one would lie."""
    fault = "fsync:error=EIO:when=1"
    calls = traced(WRITE, target, about=target.parent, work=tmp_path, fault=fault)

    after = calls[next(i for i, call in enumerate(calls) if call.failed) + 1 :]
    assert [call.name for call in after] == ["unlink"]


def test_leftovers_of_dead_writers_are_removed(target: Path) -> None:
    """Temporary files go, and nothing else does, whatever it is called."""
    others = [target.with_name(name) for name in (".lock", "a.tmp", ".1.tmp", ".a.b.tmp")]
    for path in others:
        path.touch()
    leftover = target.with_name(".state.json.4711.tmp")
    leftover.write_bytes(NEW[:1000])

    assert remove_temporaries(target.parent) == [leftover]
    assert sorted(target.parent.iterdir()) == sorted([target, *others])


def test_temporary_name_tells_the_final_one(target: Path) -> None:
    """Whoever watches the disk learns what a temporary file is going to be."""
    with atomic_writer(target):
        (temporary,) = (p for p in target.parent.iterdir() if is_temporary(p))

        assert final_name(temporary) == final_name(target) == target.name


def test_missing_directory_is_a_storage_error(tmp_path: Path) -> None:
    """A file in a directory that is not there cannot be written; the message names it."""
    with pytest.raises(StorageError, match=r"gone/state\.json: No such file or directory"):
        write_atomically(tmp_path / "gone" / "state.json", NEW)
