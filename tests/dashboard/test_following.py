"""Following a run whose files appear, vanish and are damaged while somebody looks."""

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from holdfast.dashboard.compare_page import compare_page
from holdfast.dashboard.job_page import job_page
from holdfast.dashboard.reading import read
from holdfast.dashboard.recovery_page import recovery_page
from holdfast.dashboard.series_page import COLUMNS, Order, series_page
from holdfast.dashboard.verifying import Verifier, Wanted
from holdfast.dashboard.watch import Watch
from holdfast.errors import StorageError
from holdfast.rundir.spread import facts_crc
from tests.cli.changing_run import DONE, IN_TRAINING
from tests.dashboard.hostile_run import SCRIPT, hostile
from tests.dashboard.served import Served, served


@pytest.fixture
def copy(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished run, to be damaged."""
    shutil.copytree(finished, tmp_path / "run")
    return tmp_path / "run"


def look(watch: Watch) -> Watch:
    """Let it look at once, not in two seconds."""
    watch._next = 0.0
    watch.look()
    return watch


def test_it_reads_again_only_what_has_changed(copy: Path) -> None:
    """A look at files that stay as they are reads none of them, and pages have nothing to do."""
    watch = Watch(str(copy))
    first, version = watch.reading, watch.version
    assert look(watch).reading is first
    os.utime(copy / "journal.jsonl")
    assert look(watch).reading is not first
    assert watch.version > version


def test_whoever_trains_is_seen_to_begin_and_to_die(copy: Path) -> None:
    """A death changes no file."""
    holder = {"host": os.uname().nodename, "pid": os.getppid(), "since": "now"}
    watch = Watch(str(copy))
    (copy / ".lock.holder.json").write_text(json.dumps(holder))
    assert look(watch).reading.status.training is not None
    holder["pid"] = 2**22 + 1  # beyond what a process can have
    (copy / ".lock.holder.json").write_text(json.dumps(holder))
    assert look(watch).reading.status.training is None


def test_a_directory_that_is_gone_leaves_the_last_reading(copy: Path) -> None:
    """It is said that it is not up to date, until the run is back."""
    watch = Watch(str(copy))
    away = copy.rename(copy.with_name("away"))
    assert "No such file or directory" in look(watch).trouble
    assert set(watch.reading.jobs) == {DONE, IN_TRAINING}
    away.rename(copy)
    assert look(watch).trouble == ""


def test_damaged_state_leaves_the_last_reading(copy: Path) -> None:
    """Where what is left knows less, what was known before is shown, and what is wrong."""
    watch = Watch(str(copy))
    for name in (".recovery_state.json", ".kfold_progress.json", "journal.jsonl"):
        (copy / name).write_bytes(b"\x00" * 100)
    for file in copy.glob("*.pth"):
        file.unlink()
    trouble = look(watch).trouble
    assert ".recovery_state.json" in trouble
    assert set(watch.reading.jobs) == {DONE, IN_TRAINING}


def test_one_damaged_file_is_named_and_the_rest_shown(copy: Path) -> None:
    """Nothing is lost by it: the other two have it all."""
    watch = Watch(str(copy))
    (copy / ".recovery_state.json").write_bytes(b"{")
    assert look(watch).trouble == ""
    assert ".recovery_state.json" in watch.reading.faults
    assert set(watch.reading.jobs) == {DONE, IN_TRAINING}


def test_what_a_newer_version_wrote_is_said(copy: Path) -> None:
    """The page stays and says what to do."""
    watch = Watch(str(copy))
    state = {**json.loads((copy / ".recovery_state.json").read_bytes()), "format_version": 99}
    (copy / ".recovery_state.json").write_text(json.dumps({**state, "crc32": facts_crc(state)}))
    assert "pip install -U holdfast" in look(watch).trouble


def verified(verifier: Verifier, path: Path) -> str:
    stat = path.stat()
    stamp = stat.st_ino, stat.st_size, stat.st_mtime_ns
    verifier.ask([Wanted(path, stamp, "")])
    while (said := verifier.said(path, stamp)) is None:
        time.sleep(0.01)
    return said


def test_files_are_verified_beside_the_pages(copy: Path) -> None:
    """A good one is good, a flipped bit is found, and what is known is not read again."""
    best = copy / f"{DONE}_best.pth"
    verifier = Verifier()
    try:
        assert verified(verifier, best) == ""
        assert verified(verifier, best) == ""
        assert verifier.count == 1
        data = bytearray(best.read_bytes())
        data[len(data) // 2] ^= 1
        best.write_bytes(data)
        assert "is not what was written" in verified(verifier, best)
    finally:
        verifier.stop()


def test_a_file_that_vanishes_before_it_is_verified_is_no_fault(copy: Path) -> None:
    """Training prunes checkpoints all the time."""
    verifier = Verifier()
    gone = copy / f"{DONE}_head_epoch9.pth"
    verifier.ask([Wanted(gone, (1, 1, 1), "")])
    while (said := verifier.said(gone, (1, 1, 1))) is None:
        time.sleep(0.01)
    verifier.stop()
    assert said == "the file is gone"


def pages_of(directory: Path) -> list[str]:
    """Return all that is said of a run, on every page."""
    reading = read(directory)
    orders = [Order(key, way, "") for key in COLUMNS for way in (False, True)]
    return [
        *(str(series_page(reading, order)) for order in [Order(), Order(only=SCRIPT), *orders]),
        *(str(job_page(reading, job, lambda _: SCRIPT)) for job in [*reading.jobs, SCRIPT]),
        str(recovery_page(reading, [(SCRIPT, SCRIPT)])),
        str(compare_page(reading)),
    ]


def test_what_files_say_is_shown_and_never_run(tmp_path: Path) -> None:
    """Names, errors, classes and reasons are text, whatever is in them."""
    said = pages_of(hostile(tmp_path))
    for page in said:
        page.encode()  # no half of a surrogate is left
        assert "<script" not in page.lower()
        assert "<img" not in page.lower()
        assert "\x1b" not in page
        assert "\u202e" not in page
    assert any("&lt;script&gt;alert(1)" in page for page in said)


def test_hostile_files_are_served_as_text(tmp_path: Path) -> None:
    """The same through the server: each page answers."""
    with served(hostile(tmp_path)) as server:
        for path in ("/", "/job/a", "/job/b", "/job/c", "/recovery", "/compare"):
            answer = server.ask(path)
            assert answer.status == 200
            assert SCRIPT not in answer.text


Damage = Callable[[Path], Any]
DAMAGES: dict[str, Damage] = {
    "journal cut": lambda run: os.truncate(run / "journal.jsonl", 700),
    "journal of rubbish": lambda run: (run / "journal.jsonl").write_bytes(os.urandom(5000)),
    "state empty": lambda run: (run / ".recovery_state.json").write_bytes(b""),
    "state a directory": lambda run: _directory(run / ".recovery_state.json"),
    "checkpoints cut": lambda run: [os.truncate(file, 99) for file in run.glob("*.pth")],
    "checkpoints gone": lambda run: [file.unlink() for file in run.glob("*.pth")],
    "all gone": shutil.rmtree,
}


def _directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def test_pages_answer_through_every_damage(finished: Path, tmp_path: Path) -> None:
    """One server sees a run damaged in every way, and each time shows what it can."""
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    with served(run) as server:
        for damage in DAMAGES.values():
            damage(run)
            assert_answers(server)
            shutil.rmtree(run, ignore_errors=True)
            shutil.copytree(finished, run)
            assert_answers(server)


def assert_answers(server: Served) -> None:
    assert server.ask("/recovery").status == 200
    for path in ("/", f"/job/{DONE}", "/compare"):
        answer = server.ask(path)
        assert answer.status == 200
        assert DONE in answer.text


def test_a_run_that_cannot_be_read_at_first_is_refused(tmp_path: Path) -> None:
    """Before anything is served, a fault is the command's."""
    memory = Path("/proc/self/mem")
    if not memory.exists():
        pytest.skip("this system has no file that cannot be read")
    (tmp_path / "journal.jsonl").symlink_to(memory)
    with pytest.raises(StorageError):
        Watch(str(tmp_path))


def test_a_run_that_has_not_begun_is_shown_as_such(tmp_path: Path) -> None:
    """An empty directory has every page."""
    pages = "".join(pages_of(tmp_path))
    assert "No epoch is recorded yet." in pages
    assert "nothing is there to compare" in pages
