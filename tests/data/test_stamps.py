import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from holdfast.data.stamps import UNREADABLE, Stamps, hash_files

_opened: list[str] | None = None


def _note_opened(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open" and _opened is not None:
        _opened.append(Path(str(arguments[0])).name)


sys.addaudithook(_note_opened)


@pytest.fixture
def opened() -> Iterator[list[str]]:
    """The base names of the files this process opens during the test."""
    global _opened
    _opened = []
    yield _opened
    _opened = None


@pytest.fixture
def hash_all(tmp_path: Path) -> Callable[[], list[str]]:
    """Hash three files, remembering the hashes between calls."""
    root = tmp_path / "images"
    root.mkdir()
    for name in ("a", "b", "c"):
        (root / name).write_text(f"contents of {name}")
    files = [(name, root / name) for name in ("a", "b", "c")]
    return lambda: hash_files(files, Stamps(tmp_path / "stamps.json", root))


def test_unchanged_files_are_not_read_again(
    hash_all: Callable[[], list[str]], opened: list[str]
) -> None:
    """A second start costs a stat per file, not a read."""
    first = hash_all()
    assert {"a", "b", "c"} <= set(opened)
    opened.clear()
    assert hash_all() == first
    assert not {"a", "b", "c"} & set(opened)


def test_a_touched_file_is_read_and_found_unchanged(
    hash_all: Callable[[], list[str]], tmp_path: Path, opened: list[str]
) -> None:
    """Only contents count; a new date alone costs one more read."""
    first = hash_all()
    opened.clear()
    os.utime(tmp_path / "images" / "b", (1, 1))
    assert hash_all() == first
    assert "b" in opened
    assert "a" not in opened


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps no change time")
def test_a_change_that_keeps_size_and_date_is_noticed(
    hash_all: Callable[[], list[str]], tmp_path: Path
) -> None:
    """Copying another file of the same size over it with its date set back fools nobody."""
    first = hash_all()
    path = tmp_path / "images" / "b"
    before = path.stat()
    path.write_text("contents of B")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    second = hash_all()
    assert [x == y for x, y in zip(first, second, strict=True)] == [True, False, True]


@pytest.mark.parametrize("damage", [b"", b'{"crc32": 0, "content": {}}', b"\0" * 50])
def test_a_damaged_stamp_file_is_built_anew(
    hash_all: Callable[[], list[str]], tmp_path: Path, damage: bytes
) -> None:
    """Nothing but time is lost with the stamps."""
    first = hash_all()
    whole = (tmp_path / "stamps.json").read_bytes()
    (tmp_path / "stamps.json").write_bytes(damage)
    assert hash_all() == first
    assert (tmp_path / "stamps.json").read_bytes() == whole


def test_stamps_of_another_folder_are_not_used(tmp_path: Path) -> None:
    """Two folders that share a cache directory never share a hash."""
    for root in ("one", "two"):
        (tmp_path / root).mkdir()
        (tmp_path / root / "x").write_text(root)
    hashes = {
        root: hash_files([("x", tmp_path / root / "x")], Stamps(tmp_path / "s", tmp_path / root))
        for root in ("one", "two")
    }
    assert hashes["one"] != hashes["two"]


def test_a_missing_file_has_a_mark_of_its_own(tmp_path: Path) -> None:
    """A file that cannot be read does not stop the hashing of the others."""
    (tmp_path / "x").write_text("x")
    hashes = hash_files([("gone", tmp_path / "gone"), ("x", tmp_path / "x")])
    assert hashes[0] == UNREADABLE
    assert hashes[1] != UNREADABLE


def test_what_was_hashed_before_a_stop_is_kept(tmp_path: Path, opened: list[str]) -> None:
    """Stopping during the first hashing of a big folder loses nothing."""
    files = [(str(i), tmp_path / str(i)) for i in range(10)]
    for name, path in files:
        path.write_text(name)
    calls = 0

    def stop_at_five() -> None:
        nonlocal calls
        calls += 1
        if calls == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        hash_files(files, Stamps(tmp_path / "stamps.json", tmp_path), stop_at_five)
    opened.clear()
    hash_files(files, Stamps(tmp_path / "stamps.json", tmp_path))
    assert set(opened) & set(map(str, range(10))) == set("56789")
