"""A contender's way through the storm: its lives, what each kill cost it, who had to help."""

import re
import shutil
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from peers.life import Life, live

MOST_DEATHS = 5  # of its own, in a row, without a step gained: then it is given up


@dataclass(frozen=True)
class Contender:
    """A loop in the storm."""

    key: str
    title: str
    package: str
    pattern: str
    """Glob of its checkpoints in the directory."""


@dataclass
class Trial:
    """One contender's way through one storm, or through none."""

    contender: Contender
    folder: Path
    arguments: list[str]
    threads: int
    lives: list[Life] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)
    """Steps that each kill made it do again."""
    hands: int = 0
    done: bool = False
    given_up: bool = False
    _reached: int | None = None
    _furthest: int = 0
    _in_a_row: int = 0

    def live(self, limit: float) -> None:
        """Let it train for so long; whenever it dies by itself, help it and go on."""
        while limit > 0 and not self.done and not self.given_up:
            life = self._one(limit)
            limit -= life.seconds
            if life.killed:
                return

    def _one(self, limit: float) -> Life:
        files = [str(self.folder / "checkpoints"), "--weights", str(self.folder / "weights.pt")]
        script = f"storm_{self.contender.key}"
        life = live(script, [*files, *self.arguments], self.folder, self.threads, limit)
        self.lives.append(life)
        self._count(life)
        how = "killed" if life.killed else f"exit status {life.code}"
        reached = f"steps {life.first} to {life.last}" if life.first is not None else "no step"
        note(f"{self.contender.title}: {life.seconds:.1f} s, {reached}, {how}")
        if life.code == 0:
            self.done = True
        elif not life.killed:
            self._help(life)
        return life

    def _count(self, life: Life) -> None:
        """Add what was lost by the kill before, which shows in where this life began."""
        if life.first is None:
            return
        if self._reached is not None:
            self.lost.append(max(self._reached - life.first, 0))
        if life.last > self._furthest:
            self._furthest, self._in_a_row = life.last, 0
        self._reached = life.last

    def _help(self, life: Life) -> None:
        note(f"{self.contender.title} died: {life.error}")
        self._in_a_row += 1
        self.given_up = self._in_a_row >= MOST_DEATHS
        found = (self.folder / "checkpoints").glob(self.contender.pattern)
        if newest := max(found, key=_age, default=None):
            self.hands += 1
            shutil.rmtree(newest) if newest.is_dir() else newest.unlink()

    @property
    def seconds(self) -> float:
        """From the first start to the end, without the others' turns."""
        return sum(life.seconds for life in self.lives)

    @property
    def kills(self) -> int:
        """How often it was killed."""
        return sum(life.killed for life in self.lives)

    @property
    def died(self) -> int:
        """How often it died by itself."""
        return sum(life.code != 0 and not life.killed for life in self.lives)


def note(text: str) -> None:
    """Tell how it goes."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def _age(path: Path) -> tuple[float, list[int]]:
    return path.stat().st_mtime, [int(digits) for digits in re.findall(r"\d+", path.name)]
