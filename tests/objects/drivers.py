"""Whole runs on object storage in processes of their own, and what the store has of them."""

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from holdfast.rundir import JobName, Position
from holdfast.storage.objects.address import Address
from holdfast.storage.objects.segments import Segment, current
from holdfast.storage.objects.store import Store
from tests.crash.library_run import STAGES
from tests.warm_python import Child, WarmPython

ROOT = Path(__file__).parents[2]
_SCRIPT = """
import logging, os, sys, time
os.environ.update({environment!r})
sys.path.insert(0, {root!r})
from holdfast.cli.faults import reports_faults
from tests.crash.library_run import train
logging.basicConfig(format="! %(message)s")
log = os.open({log!r}, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
def promised(job, position):
    if position is not None:
        os.write(log, f"{{job}} {{' '.join(map(str, vars(position).values()))}}\\n".encode())
    time.sleep({pause})
import typer
try:
    for job, position in reports_faults(lambda: train({url!r}, promised))():
        print("entered", job, *vars(position).values() if position else ())
except typer.Exit as end:
    sys.exit(end.exit_code)
"""
_COMMAND = """
import os, sys
os.environ.update({environment!r})
from holdfast.__main__ import main
sys.argv = {argv!r}
main()
"""
Place = tuple[JobName, Position]


@dataclass(frozen=True)
class Driver:
    """Starts the small library run at a URL, or a command of Holdfast's."""

    python: WarmPython
    home: Path
    url: str
    environment: dict[str, str]

    @property
    def scratch(self) -> Path:
        """Where the scratch directories of its machine are."""
        return Path(self.environment["HOLDFAST_SCRATCH"])

    def start(self, pause: float = 0.0) -> Child:
        """Start the run, or go on with it; ``pause`` is what each step takes longer."""
        log = str(self.home / "promises.txt")
        code = _SCRIPT.format(
            environment=self.environment, root=str(ROOT), log=log, pause=pause, url=self.url
        )
        return self.python.start(code, self.home)

    def finish(self) -> str:
        """Start the run, let it end, and return what it says."""
        child = self.start()
        assert child.wait() == 0, child.output
        return child.output

    def command(self, *argv: str) -> Child:
        """Start a command."""
        code = _COMMAND.format(environment=self.environment, argv=["holdfast", *argv])
        return self.python.start(code, self.home)

    def promises(self) -> list[Place]:
        """Return the positions that were said to be saved, the last of each job last."""
        log = self.home / "promises.txt"
        lines = log.read_text().splitlines() if log.exists() else []
        return [_place(line.split()) for line in lines]

    def lose_machine(self) -> None:
        """Remove everything that the machine had."""
        shutil.rmtree(self.scratch, ignore_errors=True)


def _place(words: list[str]) -> Place:
    job, stage, epoch, step = words
    return JobName.parse(job), Position(stage, int(epoch), int(step))


def entered(output: str) -> list[tuple[JobName, Position | None]]:
    """Read what a run says of where it took its jobs up."""
    lines = [line.split()[1:] for line in output.splitlines() if line.startswith("entered ")]
    return [_place(w) if len(w) > 1 else (JobName.parse(w[0]), None) for w in lines]


def rank(position: Position) -> tuple[int, int, int]:
    """Return what is greater for a later position."""
    return list(STAGES).index(position.stage), position.epoch, position.step


def direct(url: str, endpoint: str) -> Store:
    """Return the store itself, past any proxy."""
    before = os.environ.get("AWS_ENDPOINT_URL", "")
    os.environ["AWS_ENDPOINT_URL"] = endpoint
    try:
        return Store(Address.parse(url))
    finally:
        os.environ["AWS_ENDPOINT_URL"] = before


def download(store: Store, directory: Path) -> Path:
    """Bring all of a run here, by the plainest way there is."""
    listing = store.list()
    for name in listing:
        if not Segment.parse(name):
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"".join(store.pieces(name)))
    for file, parts in current(listing).items():
        (directory / file).write_bytes(b"".join(store.get(part.name)[0] for part in parts))
    return directory


@contextmanager
def frozen(child: Child) -> Iterator[None]:
    """Stop a process for the time of the block, as a machine that hangs."""
    os.kill(child.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(child.pid, signal.SIGCONT)
