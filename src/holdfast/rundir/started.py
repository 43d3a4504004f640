"""How a run was last started, recorded so that a boot can do the same."""

import shlex
from dataclasses import asdict, dataclass
from pathlib import Path

from holdfast.rundir.journal import SKIMMED, Journal


@dataclass(frozen=True)
class Started:
    """One start of ``holdfast train``."""

    command: list[str]
    """What followed ``holdfast train``."""
    cwd: str
    directory: str
    """The checkpoint directory, absolute; another one means that the run was moved since."""
    notifies: bool = False
    """Whether an option or the environment told whom to notify, which is recorded nowhere."""

    def __str__(self) -> str:
        """Return the same as one line for a shell."""
        line = f"cd {shlex.quote(self.cwd)} && {shlex.join(['holdfast', 'train', *self.command])}"
        return " ".join(line.splitlines())


def record_start(directory: Path, started: Started) -> None:
    """Add a start to the journal, durably, unless it was made in the same way as the last."""
    if last_start(directory) != started:
        Journal(directory).append("started", **asdict(started))


def last_start(directory: Path) -> Started | None:
    """Return how the run was last started; None where ``holdfast train`` never did."""
    records = Journal(directory).parse(old=SKIMMED).records
    starts = [r for r in records if r["event"] == "started"]
    if not starts:
        return None
    last = starts[-1]
    return Started(last["command"], last["cwd"], last["directory"], last.get("notifies") is True)
