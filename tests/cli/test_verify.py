"""``holdfast verify`` as a person meets it: what it prints, its exit codes, what it leaves."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from holdfast.checkpoint import CheckpointManager
from holdfast.cli.app import app
from holdfast.rundir import Journal
from tests.checkpoint.conftest import Trained

DONE, BEGUN = "CustomRegNet", "CustomSwinTransformer"
BEST, NEWEST = f"{DONE}_best.pth", f"{BEGUN}_finetune_epoch2.pth"
GOOD = ["✓ Verified: 7 of 7 files are good"]
HOLDER = """
import sys
from pathlib import Path
from holdfast.storage import DirectoryLock
lock = DirectoryLock(Path(sys.argv[1]) / ".lock")
lock.acquire()
print("held", flush=True)
sys.stdin.read()
"""
LOADED = """
import sys
from holdfast.__main__ import main
try:
    main()
except SystemExit as end:
    print(sorted({"torch", "numpy"} & sys.modules.keys()), file=sys.stderr)
    raise
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with one backbone complete and one begun."""
    directory = tmp_path_factory.mktemp("made") / "checkpoints"
    manager, state = CheckpointManager(directory, [DONE, BEGUN]), Trained().checkpoint()
    for name, stage, epoch in ((DONE, "finetune", 3), (BEGUN, "head", 4), (BEGUN, "finetune", 2)):
        manager.save_backbone_checkpoint(name, epoch=epoch, stage=stage, **state)
    manager.mark_backbone_complete(DONE, {"final_accuracy": 0.9})
    manager.close()
    return directory


@pytest.fixture
def directory(made: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(made, tmp_path / "checkpoints"))


def verify(directory: Path, *options: str) -> Result:
    return CliRunner().invoke(app, ["verify", "--checkpoint-dir", str(directory), *options])


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def contents(directory: Path) -> dict[str, bytes]:
    files = (path for path in directory.rglob("*") if path.is_file())
    return {str(path.relative_to(directory)): path.read_bytes() for path in files}


def test_good_run_is_told_with_what_a_start_continues(directory: Path) -> None:
    """Exit code 0, and the position that a start goes on from; nothing on the disk changes."""
    before = contents(directory)
    shown = verify(directory)

    assert shown.exit_code == 0
    assert shown.output.splitlines()[:1] == GOOD
    assert f"✓ Resuming: {BEGUN} (finetune, epoch 2)" in shown.output
    assert contents(directory) == before


def test_each_damaged_file_is_named_with_its_reason(directory: Path) -> None:
    """Exit code 3; a start would step over what is damaged, and make lost weights again."""
    truncate(directory / NEWEST)
    truncate(directory / ".recovery_state.json")
    (directory / BEST).unlink()
    before = contents(directory)
    shown = verify(directory)

    assert shown.exit_code == 3
    assert shown.output.splitlines()[:5] == [
        "✗ .recovery_state.json: truncated, or not what was written",
        f"✗ {NEWEST}: truncated, or not a checkpoint",
        f"✗ {BEST}: not there",
        "✗ Only 4 of 7 files are good; a start, or --repair, sets aside what is damaged",
        f"  {DONE}: a start makes its weights again",
    ]
    assert f"✓ Resuming: {BEGUN} (head, epoch 4)" in shown.output
    assert contents(directory) == before


def test_lines_fit_a_terminal(directory: Path) -> None:
    """What is long stands in two lines: nothing is wider than 80 columns."""
    shutil.copy(directory / f"{BEGUN}_head_epoch4.pth", directory / NEWEST)
    shown = verify(directory)

    assert f"✗ {NEWEST}:\n    holds {BEGUN}, head epoch 4, not what its name says" in shown.output
    assert max(map(len, shown.output.splitlines())) <= 80


def test_terminal_breaks_lines_between_words(directory: Path) -> None:
    """What a repair tells is long; a terminal of 80 columns shows every word whole."""
    shutil.copy(directory / f"{BEGUN}_head_epoch4.pth", directory / NEWEST)
    command = [sys.executable, "-m", "holdfast", "verify", "--repair"]
    shown = subprocess.run(
        [*command, "--checkpoint-dir", str(directory)],
        env={**os.environ, "FORCE_COLOR": "1", "COLUMNS": "80", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    notice = shown.partition("✓")[0]

    assert max(map(len, shown.splitlines())) <= 80
    told = f"! {NEWEST}: holds {BEGUN}, head epoch 4, not what its name says; moved to damaged/"
    assert notice.split() == told.split()


def test_json_says_the_same(directory: Path) -> None:
    """A script gets every file, good or damaged and why, and what a start would do."""
    truncate(directory / NEWEST)
    truncate(directory / BEST)
    shown = verify(directory, "--json")
    told = json.loads(shown.stdout)

    assert shown.exit_code == 3
    assert told.keys() == {"directory", "good", "files", "start"}
    assert (told["directory"], told["good"]) == (str(directory), False)
    assert {"name": NEWEST, "kind": "checkpoint", "fault": "truncated, or not a checkpoint"} in (
        told["files"]
    )
    assert {file["name"] for file in told["files"] if file["fault"]} == {NEWEST, BEST}
    resumed = {"job": BEGUN, "stage": "head", "epoch": 4, "step": 0}
    assert told["start"] == {"complete": [DONE], "resume": [resumed], "remake": [DONE]}
    assert CheckpointManager(directory, [DONE, BEGUN]).verify() == told


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_repair_leaves_everything_good(directory: Path, options: tuple[str, ...]) -> None:
    """Damaged files go to damaged/ with the reason, JSON is rebuilt; the next look finds none."""
    damaged = [NEWEST, f"{BEGUN}_head_epoch4.pth", ".recovery_state.json", "journal.jsonl"]
    for name in damaged[:3]:
        truncate(directory / name)
    lines = (directory / "journal.jsonl").read_bytes().splitlines(keepends=True)
    (directory / "journal.jsonl").write_bytes(b"".join([*lines[:2], b"{}\n", *lines[2:]]))
    was = contents(directory)
    shown = verify(directory, "--repair", *options)

    assert shown.exit_code == 0
    told = shown.stderr if options else shown.stdout
    for name in damaged:
        assert sum(line.startswith(f"! {name}: ") for line in told.splitlines()) == 1
        assert (directory / "damaged" / name).read_bytes() == was[name]
        assert (directory / "damaged" / f"{name}.reason.txt").read_text().strip() in told
    if options:
        assert json.loads(shown.stdout)["good"]
    again = verify(directory)
    assert (again.exit_code, again.output.splitlines()[:1]) == (
        0,
        ["✓ Verified: 5 of 5 files are good"],
    )


@pytest.mark.parametrize("harm", [Path.unlink, truncate])
def test_lost_weights_are_named_until_they_are_made_again(
    harm: Callable[[Path], None], directory: Path
) -> None:
    """Repairing cannot make them: exit code 3 each time, and whether a start trains for it."""
    harm(directory / BEST)
    repaired, again = verify(directory, "--repair"), verify(directory)
    for path in directory.glob(f"{DONE}_finetune*"):
        path.unlink()
    alone = verify(directory)

    for shown in (repaired, again, alone):
        assert shown.exit_code == 3
        assert f"✗ {BEST}: not there\n" in shown.output
    assert f"  {DONE}: a start makes its weights again\n" in again.output
    assert f"  {DONE}: a start trains it again from the beginning\n" in alone.output


def test_checkpoints_that_the_journal_knows_are_missed(directory: Path) -> None:
    """Losing a running job's newest checkpoint, or all, is told with what a start goes on from."""
    Journal(directory).append("job_started", job=BEGUN)
    Journal(directory).append("epoch", job=BEGUN, stage="finetune", epoch=2)
    assert verify(directory).exit_code == 0
    (directory / NEWEST).unlink()
    newest = verify(directory)
    (directory / f"{BEGUN}_head_epoch4.pth").unlink()
    all_ = verify(directory, "--repair")

    assert (newest.exit_code, all_.exit_code) == (3, 3)
    assert f"✗ {NEWEST}:\n    not there; {BEGUN} goes on from head epoch 4\n" in newest.output
    assert f"✗ {NEWEST}:\n    not there; {BEGUN} begins again\n" in all_.output


def test_repair_of_decoded_images_moves_them_away(directory: Path) -> None:
    """What is damaged of the image cache is gone too; a start decodes it again."""
    home = directory / "image_cache" / ("0" * 16)
    home.mkdir(parents=True)
    (home / "index.json").write_text("{}")
    assert verify(directory).exit_code == 3
    assert verify(directory, "--repair").exit_code == 0
    assert not (home / "index.json").exists()


def test_repair_begins_no_run(tmp_path: Path) -> None:
    """A directory that holds no run stays as it is."""
    (tmp_path / "notes.txt").touch()
    shown = verify(tmp_path, "--repair")

    assert shown.exit_code == 0
    assert shown.output.splitlines()[0] == f"{tmp_path}: no run is here yet"
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_no_directory_is_a_usage_error(tmp_path: Path) -> None:
    """Exit code 2, one line, and nothing is created."""
    shown = verify(tmp_path / "none")

    assert shown.exit_code == 2
    assert shown.stderr.splitlines() == [
        f"holdfast: {tmp_path / 'none'}: no such directory; `holdfast train` makes it"
    ]
    assert list(tmp_path.iterdir()) == []


def test_file_for_a_directory_is_a_usage_error(tmp_path: Path) -> None:
    """That something is there, but no directory, is said; no start would make one there."""
    (tmp_path / "file").touch()
    shown = verify(tmp_path / "file")

    assert shown.exit_code == 2
    line = f"holdfast: {tmp_path / 'file'}: is a file; name the run's directory\n"
    assert shown.stderr == line


@pytest.fixture
def held(directory: Path) -> Iterator[Path]:
    """The run while another process is its writer."""
    command = [sys.executable, "-c", HOLDER, str(directory)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        yield directory
        holder.communicate()


def test_verify_works_while_a_training_holds_the_lock(held: Path) -> None:
    """Looking takes no lock; repairing does, and is refused with exit code 4."""
    assert verify(held).output.splitlines()[:1] == GOOD
    truncate(held / NEWEST)
    refused = verify(held, "--repair")

    assert refused.exit_code == 4
    assert "is in use by process" in refused.stderr
    assert (held / NEWEST).exists()


def test_verify_loads_no_torch(directory: Path) -> None:
    """It answers at once, on machines without torch too."""
    command = [sys.executable, "-c", LOADED, "verify", "--checkpoint-dir", str(directory)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (ended.returncode, ended.stderr) == (0, "[]\n")
    assert ended.stdout.splitlines()[:1] == GOOD


def _folder(path: Path) -> None:
    path.mkdir()
    (path / "inside").touch()


PUT: dict[str, Callable[[Path], None]] = {
    "a folder": _folder,
    "a pipe": os.mkfifo,
    "a link to nothing": lambda path: path.symlink_to("nothing"),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a device": lambda path: path.symlink_to("/dev/zero"),
}
NAMES = [
    *(NEWEST, BEST, "journal.jsonl", ".recovery_state.json", ".kfold_progress.json"),
    *(".lock", ".lock.holder.json", "recovery_status.txt", "damaged", "image_cache"),
    *("image_cache/index.json", "image_cache/images_00000.npy", ".x.1.tmp"),
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("what", list(PUT))
def test_whatever_stands_there_is_no_traceback(name: str, what: str, directory: Path) -> None:
    """Something else than a file under any name is a fault, or a line of its own; never a hang."""
    path = directory / name
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    PUT[what](path)

    for options in ((), ("--json",), ("--repair",), ()):
        shown = verify(directory, *options)
        assert shown.exit_code in (0, 3, 5), shown.output
        assert shown.exception is None or isinstance(shown.exception, SystemExit)
        if shown.exit_code == 5:
            assert len(shown.stderr.splitlines()) == 1
    if name == BEST:
        assert shown.exit_code == 3
        assert shown.output.splitlines()[0] == f"✗ {BEST}: not there"
    elif name in (NEWEST, "journal.jsonl", ".recovery_state.json", ".kfold_progress.json"):
        assert shown.exit_code == 0
        assert shown.output.splitlines()[0].startswith("✓ Verified")
