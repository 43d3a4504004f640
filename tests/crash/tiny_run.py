"""A small whole series, `holdfast train` itself, in real processes that start at once."""

import random
import shutil
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.digits import write_digits
from tests.warm_python import Child, WarmPython

TWO_BACKBONES = ("CustomRegNet", "CustomResNetMish")
_SETTINGS = """
backbones = "{backbones}"
size = "tiny"
image_size = 32
batch_size = 16
epochs_head = 1
epochs_finetune = {epochs}
folds = 2
threads = 1
save_interval = 0.0
"""
_SCRIPT = """
{prelude}
import sys
from holdfast.__main__ import main
sys.argv = {argv!r}
main()
"""
_NOTE_EFFECTS = """
import os
from holdfast.storage import disk
log = os.open({log!r}, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
pid = str(os.getpid())
def note(effect):
    name = effect.path.name.replace(pid, "PID")
    os.write(log, f"{{effect.kind}} {{effect.path.parent / name}}\\n".encode())
watching = disk.watching(note)
watching.__enter__()
"""


@dataclass(frozen=True)
class TinyRun:
    """The series, its undisturbed run, and what that did to the disk."""

    python: WarmPython
    home: Path
    data: Path
    calm: Path
    """The checkpoint directory of the undisturbed run."""
    seconds: float
    """What that took."""
    effects: tuple[tuple[str, str], ...]
    """Its effects on the disk: the kind, and the path in the directory, with PID for the pid."""

    def start(self, directory: Path, prelude: str = "") -> Child:
        """Start the series in ``directory``, or go on with it; ``prelude`` runs before it."""
        argv = ["holdfast", "train", "--config", str(self.home / "tiny.toml")]
        argv += ["--data", str(self.data), "--checkpoint-dir", str(directory)]
        return self.python.start(_SCRIPT.format(prelude=prelude, argv=argv), self.home)

    def moment(self, chance: random.Random) -> float:
        """Draw the seconds until an injury: while it starts, or in one of the next epochs."""
        return chance.uniform(0.0, 0.1 + 0.15 * self.seconds)

    def lend_images(self, directory: Path) -> None:
        """Give a new directory the decoded images, so that it does not begin by decoding."""
        shutil.copytree(self.calm / "image_cache", directory / "image_cache")

    def count(self, kind: str) -> int:
        """Return how often the undisturbed run had an effect."""
        return Counter(kind for kind, _ in self.effects)[kind]

    def paths(self, kind: str) -> list[str]:
        """Return the paths that the undisturbed run had an effect on."""
        return sorted({path for other, path in self.effects if other == kind})


@contextmanager
def tiny_run(
    home: Path, backbones: Sequence[str] = TWO_BACKBONES, epochs: int = 2
) -> Iterator[TinyRun]:
    """Make the images, start the warm python, train the undisturbed run; in all below ``home``."""
    data, calm = write_digits(home / "data"), home / "calm"
    settings = _SETTINGS.format(backbones=",".join(backbones), epochs=epochs)
    (home / "tiny.toml").write_text(settings)
    with WarmPython() as python:
        seconds, effects = _train(TinyRun(python, home, data, calm, 0.0, ()))
        yield TinyRun(python, home, data, calm, seconds, effects)


def _train(run: TinyRun) -> tuple[float, tuple[tuple[str, str], ...]]:
    log, begun = run.home / "effects.txt", time.monotonic()
    child = run.start(run.calm, _NOTE_EFFECTS.format(log=str(log)))
    assert child.wait() == 0, child.output
    return time.monotonic() - begun, tuple(_noted(log, run.calm))


def _noted(log: Path, directory: Path) -> Iterator[tuple[str, str]]:
    for line in log.read_text().splitlines():
        kind, path = line.split(" ", 1)
        if Path(path).is_relative_to(directory):  # its own making is not
            yield kind, str(Path(path).relative_to(directory))
