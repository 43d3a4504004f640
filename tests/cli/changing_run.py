"""A tiny series whose data or settings change between two starts of ``holdfast train``."""

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from tests.crash.simulated import Files, read_files
from tests.warm_python import Child, WarmPython, wait_until

DONE, IN_TRAINING = "CustomRegNet", "CustomResNetMish"
KILLED_AT = f".{IN_TRAINING}_finetune_epoch1.pth."
"""The file at whose making a run is killed: one backbone is complete, one inside finetune."""
_IMAGES = 10  # of each class
_SETTINGS = f"""
backbones = "{DONE},{IN_TRAINING}"
size = "tiny"
image_size = 32
batch_size = 8
epochs_head = 1
epochs_finetune = 1
folds = 0
threads = 1
"""
_SCRIPT = """
{prelude}
import sys
from holdfast.__main__ import main
sys.argv = {argv!r}
main()
"""
_STRUCK_AT_FILE = """
import os, signal
from holdfast.storage import disk
struck = []
def strike(effect):
    if effect.path.name.startswith({name!r}) and not struck:
        struck.append(effect)
        os.kill(os.getpid(), signal.{signal})
watching = disk.watching(strike)
watching.__enter__()
"""


@dataclass(frozen=True)
class ChangingRun:
    """A checkpoint directory, the images and the settings it is trained with."""

    python: WarmPython
    directory: Path
    data: Path
    settings: Path

    def start(self, *options: str, prelude: str = "") -> Child:
        """Give the command, with ``options`` added; ``prelude`` runs before it."""
        argv = ["holdfast", "train", "--config", str(self.settings), "--data", str(self.data)]
        argv += ["--checkpoint-dir", str(self.directory), *options]
        return self.python.start(_SCRIPT.format(prelude=prelude, argv=argv), self.settings.parent)

    def finish(self, *options: str) -> str:
        """Give the command, which must end with everything complete; return what it says."""
        child = self.start(*options)
        assert child.wait() == 0, child.output
        assert "Traceback" not in child.output
        return child.output

    def refused(self, *options: str) -> str:
        """Give the command, which must be refused and change nothing; return its one line."""
        before = self.stands()
        child = self.start(*options)
        assert child.wait() == 3, child.output
        assert self.stands() == before
        assert "Traceback" not in child.output
        (line,) = (line for line in child.output.splitlines() if line.startswith("holdfast: "))
        assert child.output.endswith(line + "\n")
        return line

    def killed(self, name: str, *options: str) -> None:
        """Give the command, and have it killed when it would create a file of this name."""
        child = self.start(*options, prelude=_STRUCK_AT_FILE.format(name=name, signal="SIGKILL"))
        assert child.wait() == -9, child.output

    def paused(self, name: str) -> Child:
        """Give the command; return when it stands still, where it would create such a file."""
        child = self.start(prelude=_STRUCK_AT_FILE.format(name=name, signal="SIGSTOP"))
        stat = Path(f"/proc/{child.pid}/stat")
        wait_until(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T", child)
        return child

    def elsewhere(self, name: str) -> "ChangingRun":
        """Return the same command for another, empty directory."""
        return replace(self, directory=self.directory.with_name(name))

    def copied(self, name: str) -> "ChangingRun":
        """Return the same command for a copy of the directory, which nobody holds."""
        copy = self.elsewhere(name)
        shutil.copytree(
            self.directory, copy.directory, ignore=shutil.ignore_patterns(".lock*", "image_cache")
        )
        return copy

    def stands(self) -> Files:
        """Return what is on the disk, but for the lock's files and the decoded images."""
        files = read_files(self.directory)
        return {
            path: data
            for path, data in files.items()
            if path.parts[0] != "image_cache" and not path.name.startswith(".lock")
        }

    def overrule(self, settings: str) -> None:
        """Add a table to the settings' file."""
        with self.settings.open("a") as file:
            file.write(settings)


def new_run(python: WarmPython, home: Path, digits: Path) -> ChangingRun:
    """Prepare a run below ``home``: some of the images, the settings, nothing trained."""
    data = home / "data"
    for path in sorted(digits.rglob("*.png")):
        if int(path.stem) < _IMAGES:
            (data / path.parent.name).mkdir(parents=True, exist_ok=True)
            shutil.copy(path, data / path.parent.name)
    settings = home / "tiny.toml"
    settings.write_text(_SETTINGS)
    return ChangingRun(python, home / "run", data, settings)
