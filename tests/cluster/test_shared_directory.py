"""The trial of a shared directory: what is there is found, and so is what is missing."""

import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

TRIAL = Path(__file__).parents[2] / "examples" / "cluster" / "shared_directory.py"


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory outside pytest's own, with a second mount point beside it."""
    with tempfile.TemporaryDirectory() as name:
        for sub in ("trial", "elsewhere"):
            (Path(name) / sub).mkdir()
        yield Path(name)


def both(place: Path, mount: str, where: Path) -> tuple[str, str, int]:
    """Play both parts, the second of them behind a mount of its own; return words and status."""
    trial = shlex.join([sys.executable, str(TRIAL)])
    first = subprocess.Popen(
        [*shlex.split(trial), str(place / "trial"), "first"], stdout=subprocess.PIPE, text=True
    )
    inside = f"{mount} && exec {trial} {where} second"
    second = subprocess.Popen(
        ["unshare", "--mount", "sh", "-c", inside],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    said, wrong = second.communicate(timeout=60)
    if "mount" in wrong or "unshare" in wrong:
        first.kill()
        first.communicate()
        pytest.skip(f"mounting is not permitted here: {wrong.strip()}")
    return first.communicate(timeout=60)[0], said, second.returncode


def test_directory_that_is_good_passes(place: Path) -> None:
    """Two processes, two mount points, one disk: everything is found, nothing is bad."""
    mount = f"mount --bind {place}/trial {place}/elsewhere"
    first, second, status = both(place, mount, place / "elsewhere")
    assert status == 0, first + second
    assert "✗" not in first + second
    assert "✓ every appended line has arrived, in order" in second
    assert "✓ a dead holder's lock is free after" in second


def test_lock_that_excludes_nobody_is_named(place: Path) -> None:
    """Where the other machine's lock is another one, as on Lustre without flock, both say so."""
    for path in (place / "trial" / ".lock", place / "another"):
        path.touch()
    mount = f"mount --bind {place}/another {place}/trial/.lock"
    first, second, status = both(place, mount, place / "trial")
    assert status == 1, first + second
    assert "✗ the lock excludes the other machine" in first
    assert "✗ the lock excluded this machine" in second
