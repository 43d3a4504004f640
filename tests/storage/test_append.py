"""What is appended or created is on the disk when the call returns."""

from pathlib import Path

import pytest

from holdfast.storage import append_durably, make_directory, remove, remove_empty_directory
from tests.storage.strace import traced

APPEND_TWICE = """
import sys
from pathlib import Path
from holdfast.storage import append_durably
append_durably(Path(sys.argv[1]), b"first")
append_durably(Path(sys.argv[1]), b"second")
"""
MAKE = """
import sys
from pathlib import Path
from holdfast.storage import make_directory
make_directory(Path(sys.argv[1]))
"""


def test_append_syncs_the_file_and_once_its_name(tmp_path: Path) -> None:
    """Each append is synced; the first also syncs the directory that got the new name."""
    run = tmp_path / "run"
    run.mkdir()
    path = str(run / "journal.jsonl")

    calls = traced(APPEND_TWICE, path, about=run, work=tmp_path)

    steps = [(call.name, *call.paths) for call in calls]
    once = [("open", path), ("write", path), ("fsync", path)]
    assert steps == [*once, ("open", str(run)), ("fsync", str(run)), *once]


def test_new_directories_are_synced_into_their_parents(tmp_path: Path) -> None:
    """A power cut cannot take back a directory, nor the one it was made in."""
    home = tmp_path / "home"
    home.mkdir()

    calls = traced(MAKE, home / "a" / "b", about=home, work=tmp_path)

    made = [call.paths for call in calls if call.name == "mkdir" and not call.failed]
    synced = [call.paths for call in calls if call.name == "fsync"]
    assert made == [(f"{home}/a",), (f"{home}/a/b",)]
    assert synced == [(f"{home}",), (f"{home}/a",)]
    assert [call.name for call in calls][-1] == "fsync"


def test_append_keeps_what_stands(tmp_path: Path) -> None:
    """Nothing that was appended before is touched."""
    append_durably(tmp_path / "log", b"one")
    append_durably(tmp_path / "log", b"two")
    assert (tmp_path / "log").read_bytes() == b"onetwo"


def test_making_and_removing_may_be_repeated(tmp_path: Path) -> None:
    """What exists is not made, and what is gone is not removed, a second time."""
    for _ in range(2):
        make_directory(tmp_path / "a" / "b")
    for _ in range(2):
        remove(tmp_path / "a" / "c")
        remove_empty_directory(tmp_path / "a" / "b")
    assert list((tmp_path / "a").iterdir()) == []


@pytest.mark.parametrize("inside", ["", "file"])
def test_only_an_empty_directory_is_removed(inside: str, tmp_path: Path) -> None:
    """A directory with something inside stays."""
    directory = tmp_path / "cache"
    directory.mkdir()
    if inside:
        (directory / inside).touch()
    remove_empty_directory(directory)
    assert directory.exists() == bool(inside)
