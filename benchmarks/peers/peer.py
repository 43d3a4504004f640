"""The four peers: how each is started, and where it puts its checkpoints."""

import re
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Peer:
    """A training loop with its own way of saving and resuming."""

    key: str
    title: str
    package: str
    pattern: str
    """Glob of its checkpoints in the directory, oldest first when sorted by their numbers."""
    newest_name: str | None = None
    """What it resumes from, where that is a name of its own."""

    @property
    def script(self) -> Path:
        """The file with its loop."""
        return HERE / f"{self.key}_loop.py"

    @property
    def version(self) -> str | None:
        """The version that is installed, if any."""
        try:
            return version(self.package)
        except PackageNotFoundError:
            return None

    def checkpoints(self, directory: Path) -> list[Path]:
        """Return the checkpoints in ``directory``, oldest first."""
        return sorted(directory.glob(self.pattern), key=_numbers)

    def newest(self, directory: Path) -> Path:
        """Return the checkpoint that a resume takes."""
        if self.newest_name is not None:
            return directory / self.newest_name
        return self.checkpoints(directory)[-1]


def _numbers(path: Path) -> list[int]:
    return [int(digits) for digits in re.findall(r"\d+", path.name)]


PEERS = (
    Peer("lightning", "Lightning", "lightning", "epoch=*.ckpt", "last.ckpt"),
    Peer("hf_trainer", "HF Trainer", "transformers", "checkpoint-*"),
    Peer("accelerate", "Accelerate", "accelerate", "checkpoints/checkpoint_*"),
    Peer("holdfast", "Holdfast", "holdfast", "digits_train_*.pth"),
)
