"""The files of a report survive what befalls the next one."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from holdfast.report.output import write_all
from holdfast.storage import disk
from tests.report.conftest import report
from tests.report.test_command import contents
from tests.storage.disk import mounted

OLD = {
    "report.html": b"old page",
    "results.csv": b"old table",
    "figures/curves_a.svg": b"old figure",
    "figures/curves_gone.svg": b"of a backbone that was reset",
}
NEW = {
    "report.html": b"new page",
    "results.csv": b"new table",
    "figures/curves_a.svg": b"new figure",
    "figures/curves_b.svg": b"one more",
}


class CutError(BaseException):
    """Nothing happens after it."""


@contextmanager
def cut_at(number: int) -> Iterator[list[str]]:
    """Let nothing reach the disk from the effect of this number on; yields the kinds before it."""
    kinds: list[str] = []

    def watch(effect: disk.Effect) -> None:
        if len(kinds) >= number:
            raise CutError
        kinds.append(effect.kind)

    with disk.watching(watch):
        yield kinds


def test_a_cut_leaves_the_old_report_or_whole_files(tmp_path: Path) -> None:
    """Before the first name is taken all is old; after it each file is old or new, never torn."""
    for number in range(200):
        out = tmp_path / str(number)
        write_all(out, OLD)
        with cut_at(number) as kinds:
            try:
                write_all(out, NEW)
            except CutError:
                pass
            else:
                assert number > 20
                assert contents(out) == NEW
                return
        left = {name: data for name, data in contents(out).items() if not name.endswith(".tmp")}
        if disk.RENAME not in kinds:
            assert left == OLD
        for name, data in left.items():
            assert data in (OLD.get(name), NEW.get(name))
    raise AssertionError("it never came to its end")


def test_the_page_is_last(tmp_path: Path) -> None:
    """What a new page names is there by the time that the page is."""
    renamed: list[str] = []

    def watch(effect: disk.Effect) -> None:
        if effect.kind == disk.RENAME and effect.target is not None:
            renamed.append(effect.target.name)

    with disk.watching(watch):
        write_all(tmp_path, NEW)

    assert len(renamed) == len(NEW)
    assert renamed[-1] == "report.html"


def test_figures_of_what_is_gone_go_and_others_files_stay(tmp_path: Path) -> None:
    """An old figure beside a new page would be a wrong one; what is not a report's is nobody's."""
    write_all(tmp_path, OLD)
    for mine in ("notes.txt", "figures/my_photo.png", "figures/curves.txt"):
        (tmp_path / mine).write_bytes(b"mine")

    write_all(tmp_path, NEW)

    mine = {name for name, data in contents(tmp_path).items() if data == b"mine"}
    assert mine == {"notes.txt", "figures/my_photo.png", "figures/curves.txt"}
    assert set(contents(tmp_path)) == {*NEW, *mine}


def test_a_full_disk_is_one_line_and_leaves_the_old_report(half_way: Path) -> None:
    """Exit code 5, and what was there before is there, whole."""
    with mounted("size=256k") as small:
        write_all(small / "report", OLD)
        told = report(half_way, small / "report", "--no-predictions")

        assert told.exit_code == 5
        lines = [line for line in told.output.splitlines() if not line.startswith("! left out")]
        assert len(lines) == 1, told.output
        assert lines[0].startswith(f"holdfast: {small}/report/")
        assert lines[0].endswith("the disk is full; free some space and run the same command again")
        assert contents(small / "report") == OLD


def test_a_file_in_the_way_is_one_line(half_way: Path, tmp_path: Path) -> None:
    """--out names a file: exit code 5, and the file is as it was."""
    (tmp_path / "out").write_bytes(b"mine")
    told = report(half_way, tmp_path / "out", "--no-predictions")

    assert told.exit_code == 5
    assert "a file stands where a folder should be" in told.output
    assert (tmp_path / "out").read_bytes() == b"mine"
