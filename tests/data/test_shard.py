import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from holdfast.data import demo_digits, prepare
from tests.data.image_files import contents, dates

# Damage


def _flip(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 1]))


def _halve(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def _empty(path: Path) -> None:
    os.truncate(path, 0)


@pytest.mark.parametrize("injury", [_flip, _halve, _empty, Path.unlink])
@pytest.mark.parametrize("name", ["images_00001.npy", "images_00001.json", "index.json"])
def test_damage_is_noticed_and_mended(
    digits: Path, tmp_path: Path, name: str, injury: Callable[[Path], None]
) -> None:
    """Any one file damaged or gone: afterwards every byte is as before, and no other redone."""
    directory = tmp_path / "c"
    shutil.copytree(digits, directory)
    before = dates(directory)
    injury(next(directory.glob(f"*/{name}")))
    cache = prepare(demo_digits(), directory, resize=8)
    assert contents(directory) == contents(digits)
    assert np.array_equal(
        cache.gather(range(1797)), prepare(demo_digits(), digits, resize=8).gather(range(1797))
    )
    redone = {name for name, date in dates(directory).items() if before[name] != date}
    assert redone <= {"images_00001.npy"}
    assert bool(redone) == (name != "index.json")


def test_a_shard_of_another_shape_is_replaced(digits: Path, tmp_path: Path) -> None:
    """Bytes with the right checksum under the wrong shape are not taken for images."""
    directory = tmp_path / "c"
    shutil.copytree(digits, directory)
    path = next(directory.glob("*/images_00002.npy"))
    np.save(path, np.load(path).reshape(512, 4, 16, 3))
    prepare(demo_digits(), directory, resize=8)
    assert contents(directory) == contents(digits)


# Stops

_KILLED = """
import os, signal, sys
from pathlib import Path
from holdfast.data import demo_digits, prepare

def run(directory, event, count):
    seen = 0
    def strike(happened):
        nonlocal seen
        seen += happened
        if happened and seen == count:
            os.kill(os.getpid(), signal.SIGKILL)
    if event == "image":
        progress = lambda done, total: strike(True)
    else:
        progress = None
        sys.addaudithook(lambda name, args: strike(name == event and ".tmp" in str(args[0])))
    prepare(source, directory, resize=8, progress=progress)

source = demo_digits()
for argument in sys.argv[1:]:
    directory, event, count = argument.split(":")
    child = os.fork()
    if not child:
        run(Path(directory), event, int(count))
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL, argument
"""

# Each shard is two files, opened under another name, then renamed; the index is the ninth.
_POINTS = {
    "image:1": 0,
    "image:700": 1,
    "open:1": 0,
    "os.rename:1": 0,
    "os.rename:2": 0,
    "os.rename:5": 2,
    "open:6": 2,
    "image:1797": 3,
    "os.rename:9": 4,
}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_killed_at_any_point_it_ends_as_if_undisturbed(digits: Path, tmp_path: Path) -> None:
    """SIGKILL while decoding, writing, renaming: the next run gives the same bytes.

    Shards that were complete are kept, not done again. (Process death only: that nothing
    acknowledged is lost with the power is `storage`'s promise, tested there.)
    """
    directories = {point: tmp_path / point.replace(":", "_") for point in _POINTS}
    arguments = [f"{directory}:{point}" for point, directory in directories.items()]
    subprocess.run([sys.executable, "-c", _KILLED, *arguments], check=True, timeout=120)
    for point, directory in directories.items():
        records = {path.with_suffix(".npy").name for path in directory.glob("*/images_*.json")}
        complete = {name: date for name, date in dates(directory).items() if name in records}
        assert len(complete) == _POINTS[point], point
        assert not list(directory.glob("*/index.json")), point
        prepare(demo_digits(), directory, resize=8)
        assert contents(directory) == contents(digits), point
        assert complete.items() <= dates(directory).items(), point


@pytest.mark.parametrize("at", [1, 512, 1797])
def test_a_stop_leaves_only_whole_shards(digits: Path, tmp_path: Path, at: int) -> None:
    """Asked to stop between images, it stops at once and the next run goes on from there."""
    calls = 0

    def stop() -> None:
        nonlocal calls
        calls += 1
        if calls == at + 1:  # the first call is before the first image
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(demo_digits(), tmp_path, resize=8, check_stop=stop)
    whole = dates(tmp_path)
    assert len(whole) == (at - 1) // 512
    assert not [name for name in contents(tmp_path) if name.endswith(".tmp")]
    prepare(demo_digits(), tmp_path, resize=8)
    assert contents(tmp_path) == contents(digits)
    assert whole.items() <= dates(tmp_path).items()
