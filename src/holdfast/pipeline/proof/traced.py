"""Reading the trace that ``holdfast.training.trace`` writes, while it is written."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from holdfast.rundir import Position

BEFORE, BATCH, MEANS, GRADIENTS, AFTER = "before", "batch", "means", "gradients", "after"
SECTIONS = (BEFORE, BATCH, MEANS, GRADIENTS, AFTER)
"""What a step is made of, in the order of its making."""

Digests: TypeAlias = dict[str, str]
Key: TypeAlias = tuple[str, Position]


@dataclass(frozen=True)
class Step:
    """One step of a job, as some process has made it."""

    job: str
    position: Position
    """Where the job stands after it."""
    time: float
    """By the monotonic clock, which the processes of a machine share."""
    sections: dict[str, Digests]

    @property
    def key(self) -> Key:
        """Which step it is; a resumed run may make one again."""
        return self.job, self.position

    @property
    def at(self) -> list[str | int]:
        """The key as the trace spells it."""
        position = self.position
        return [self.job, position.stage, position.epoch, position.step]


class TraceReader:
    """The trace of one process, as far as it has got."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.steps: list[Step] = []
        self.killed: str | None = None
        """The file at which the process has killed itself, if it has."""
        self._offset = 0

    def read(self) -> None:
        """Take up the lines that have been completed since the last time."""
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n"):  # still being written, or torn by a kill
                    break
                self._offset += len(line)
                self._take(json.loads(line))

    def _take(self, line: dict[str, object]) -> None:
        if "killed" in line:
            self.killed = str(line["killed"])
            return
        job, stage, epoch, step = line["at"]  # type: ignore[misc]
        sections = {name: line.get(name, {}) for name in SECTIONS}
        self.steps.append(Step(job, Position(stage, epoch, step), line["time"], sections))  # type: ignore[has-type, arg-type]
