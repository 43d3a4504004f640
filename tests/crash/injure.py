"""The ways in which a file of a run can come to harm; what stood there is never written into."""

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

from tests.crash.torn_run import FINISHED, TornRun

LOCK_FILES = {".lock", "cache.lock"}


def flip(run: TornRun, path: Path, chance: random.Random) -> str:
    """Flip one bit."""
    data = bytearray(path.read_bytes())
    at, bit = chance.randrange(len(data)), chance.randrange(8)
    data[at] ^= 1 << bit
    replace(path, bytes(data))
    return f"bit {bit} of byte {at}"


def truncate(run: TornRun, path: Path, chance: random.Random) -> str:
    """Keep a first part, at times nothing."""
    data = path.read_bytes()
    end = chance.choice((0, chance.randrange(len(data)), len(data) - 1))
    replace(path, data[:end])
    return f"{end} of {len(data)} bytes are left"


def zero(run: TornRun, path: Path, chance: random.Random) -> str:
    """Keep the size, as a power cut may; of all of it, or of one page."""
    data = path.read_bytes()
    start = chance.choice((0, chance.randrange(len(data)) // 4096 * 4096))
    end = len(data) if start == 0 else min(start + 4096, len(data))
    replace(path, data[:start] + bytes(end - start) + data[end:])
    return f"bytes {start} to {end} are zero"


def append(run: TornRun, path: Path, chance: random.Random) -> str:
    """Add something: garbage, a line of it, or the same once more."""
    data = path.read_bytes()
    tail = chance.choice((chance.randbytes(100), b"\n{}\n", bytes(512), data))
    replace(path, data + tail)
    return f"{len(tail)} bytes more"


def delete(run: TornRun, path: Path, chance: random.Random) -> str:
    """Remove it."""
    path.unlink()
    return "gone"


def swap(run: TornRun, path: Path, chance: random.Random) -> str:
    """Put another file of the same kind of run there: of this one, or of another."""
    top = next(p for p in path.parents if p.name == "run")
    files = [p for p in targets(top) + targets(run.other) if p != path]
    donors = [p for p in files if p.suffix == path.suffix]
    same_name = [p for p in donors if p.name == path.name]
    donor = chance.choice(same_name or donors) if chance.random() < 0.5 else chance.choice(donors)
    replace(path, donor.read_bytes())
    whose = "another run's" if run.other in donor.parents else "this run's"
    return f"holds {whose} {donor.name}"


def folder(run: TornRun, path: Path, chance: random.Random) -> str:
    """Put a folder there."""
    path.unlink()
    path.mkdir()
    (path / "inside").touch()
    return "is a folder"


def fifo(run: TornRun, path: Path, chance: random.Random) -> str:
    """Put a pipe there, which nobody will ever write to."""
    path.unlink()
    os.mkfifo(path)
    return "is a pipe"


def dangling(run: TornRun, path: Path, chance: random.Random) -> str:
    """Put a link to nothing there."""
    path.unlink()
    path.symlink_to("nothing")
    return "is a link to nothing"


Injury = Callable[[TornRun, Path, random.Random], str]
DAMAGE: tuple[Injury, ...] = (flip, truncate, zero, delete, swap, append)
ODD: tuple[Injury, ...] = (folder, fifo, dangling)


def replace(path: Path, data: bytes) -> None:
    """Put a new file there: the old one may have another name in an unhurt copy."""
    path.unlink()
    path.write_bytes(data)


def targets(directory: Path) -> list[Path]:
    """Return every file of a run, by its path."""
    files = (p for p in directory.rglob("*") if p.is_file() and p.suffix != ".tmp")
    return sorted(files)


def unhurt(run: TornRun, name: str) -> Path:
    """Return the file of the undisturbed run."""
    return run.home / FINISHED / name


def put_away(directory: Path) -> None:
    """Remove a copy."""
    shutil.rmtree(directory)
