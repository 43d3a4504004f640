"""The injuries: each is done to real files and real processes, and gives a verdict."""

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path

from peers import injury, syscalls
from peers.launch import Outcome, Place
from peers.verdict import Weights, after_injury, bits, ending, tally

TRIES = 5
OTHER_SEED = 2
STOP_AFTER = 3  # checkpoints


class Trial:
    """One peer under all injuries. Every start is the same command in the same directory."""

    def __init__(self, place: Place, note: Callable[[str], None]) -> None:
        self.place, self.peer = place, place.peer
        self.note = note
        """Told what each single try came to."""

    @cached_property
    def undisturbed(self) -> Outcome:
        """A run that nothing happens to."""
        self.place.clear()
        outcome = self.place.run()
        if outcome.weights is None:
            raise RuntimeError(f"{self.peer.title} does not run undisturbed:\n{outcome.output}")
        return outcome

    @property
    def weights(self) -> Weights:
        """What every run should come to."""
        assert self.undisturbed.weights is not None
        return self.undisturbed.weights

    @cached_property
    def stopped(self) -> tuple[Path, Outcome]:
        """A directory whose run was killed between two saves, and how a resume of it ends."""
        outcome = None
        for _ in range(3):  # the kill may have hit a save
            snapshot = self._stop(seed=1, name="stopped")
            outcome = self._resume(snapshot)
            if outcome.weights is not None and outcome.start:
                return snapshot, outcome
        raise RuntimeError(f"{self.peer.title} does not resume:\n{outcome and outcome.output}")

    @cached_property
    def other(self) -> Path:
        """The checkpoint of another run that has the name of the newest one."""
        stopped = self.stopped[0]
        until = self.peer.checkpoints(stopped)[-1].relative_to(stopped)
        other = self._stop(seed=OTHER_SEED, name="other", until=until)
        return other / self.peer.newest(stopped).relative_to(stopped)

    def repeat(self) -> str:
        """Undisturbed, a second time: whether the comparison has any meaning."""
        self.place.clear()
        return bits(self.place.run(), self.weights)

    def killed(self) -> str:
        """Killed at a random moment after its first checkpoint, then started again; five times."""
        return self._tries(self._killed_once)

    def killed_in_save(self) -> str:
        """Killed at a random disk call of its saves, then started again; five times."""
        if not syscalls.available():
            return "not tried: needs strace"
        calls = syscalls.disk_calls(self.place)
        return self._tries(lambda dice: self._killed_at(dice.choice(calls[len(calls) // 4 :])))

    def resumed(self) -> str:
        """Killed between two saves, then started again: what the rows below begin from."""
        snapshot, outcome = self.stopped
        verdict = bits(outcome, self.weights)
        if bits(self._resume(snapshot), self.weights, outcome) == "other bits":
            return f"{verdict}, and others each time"
        return verdict

    def truncated(self) -> str:
        """Newest checkpoint: its largest file cut in half."""
        return self._injured(injury.cut_in_half)

    def emptied(self) -> str:
        """Newest checkpoint: its largest file has no bytes."""
        return self._injured(injury.empty)

    def flipped(self) -> str:
        """Newest checkpoint: one bit of one weight flipped."""
        return self._injured(injury.flip_bit)

    def deleted(self) -> str:
        """Newest checkpoint deleted."""
        return self._injured(injury.delete)

    def file_deleted(self) -> str:
        """One file of the newest checkpoint deleted, each in turn."""
        newest = self.peer.newest(self.stopped[0])
        if not newest.is_dir():
            return "is one file"
        verdicts = []
        for file in injury.files(newest):
            verdicts.append(self._injured(partial(injury.delete_file, name=file.name)))
            self.note(f"without {file.name}: {verdicts[-1]}")
        return tally(verdicts)

    def swapped(self) -> str:
        """Newest checkpoint replaced by the one of that name from a run with another seed."""
        return self._injured(partial(injury.replace, other=self.other))

    def two_processes(self) -> str:
        """Two processes started together on one directory, five times."""
        return tally(verdict for _ in range(TRIES) for verdict in self._together())

    def disk_full(self) -> str:
        """The disk is full during a save; then it is made larger and the command started again."""
        if os.geteuid() != 0:
            return "not tried: needs root"
        room = injury.size(self.peer.newest(self.stopped[0])) * 5 // 2
        self.place.clear()
        with _small_disk(self.place.checkpoints, room):
            full = self.place.run()
            subprocess.run(["mount", "-o", "remount,size=1g", self.place.checkpoints], check=True)
            again = self.place.run()
        return f"{ending(full) or 'not noticed'}; again: {bits(again, self.weights)}"

    def _tries(self, once: Callable[[random.Random], str]) -> str:
        return tally(once(random.Random(number)) for number in range(TRIES))

    def _killed_once(self, dice: random.Random) -> str:
        killed = False
        while not killed:  # it may have come to the end before
            self.place.clear()
            process = self.place.start()
            process.wait_until(process.trains)
            process.wait_until(lambda: bool(self.peer.checkpoints(self.place.checkpoints)))
            left = self.undisturbed.seconds - process.trained_for()
            time.sleep(dice.uniform(0, max(left, 0)))
            killed = process.kill()
        return self._started_again()

    def _killed_at(self, call: syscalls.Call) -> str:
        self.place.clear()
        killed = self.place.start(before=call.kill).end()
        if killed.code != -signal.SIGKILL:  # strace ends as its child does
            return "the call did not come"
        return self._started_again()

    def _together(self) -> list[str]:
        self.place.clear()
        pair = [self.place.start(name=name) for name in ("first", "second")]
        outcomes = [process.end() for process in pair]
        verdicts = [bits(outcome, self.weights) for outcome in outcomes]
        began = [outcome.start for outcome in outcomes]
        self.note(f"they began at steps {began}: {', '.join(verdicts)}")
        return verdicts

    def _started_again(self) -> str:
        outcome = self.place.run()
        verdict = bits(outcome, self.weights)
        self.note(f"started again at step {outcome.start}: {verdict}")
        return verdict

    def _injured(self, injure: Callable[[Path], Path]) -> str:
        snapshot, resumed = self.stopped
        self.place.clear(snapshot)
        newest = self.peer.newest(self.place.checkpoints)
        injured = injure(newest)
        outcome = self.place.run()
        names = {injured.name, newest.name}
        return after_injury(outcome, self.weights, resumed, names)

    def _stop(self, *, seed: int, name: str, until: Path | None = None) -> Path:
        """Kill a run after some checkpoints; return a copy of its directory."""
        place = self.place
        place.clear()
        process = place.start(seed=seed)

        def saved() -> bool:
            if until is not None:
                return (place.checkpoints / until).exists()
            return len(self.peer.checkpoints(place.checkpoints)) >= STOP_AFTER

        process.wait_until(saved)
        time.sleep(0.02)  # for the save to end
        process.kill()
        snapshot = place.folder / name
        shutil.rmtree(snapshot, ignore_errors=True)
        shutil.copytree(place.checkpoints, snapshot)
        return snapshot

    def _resume(self, snapshot: Path) -> Outcome:
        self.place.clear(snapshot)
        return self.place.run()


@contextmanager
def _small_disk(folder: Path, room: int) -> Iterator[None]:
    folder.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={room}", "tmpfs", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


CASES: dict[str, Callable[[Trial], str]] = {
    "repeat": Trial.repeat,
    "killed": Trial.killed,
    "killed-in-save": Trial.killed_in_save,
    "resumed": Trial.resumed,
    "truncated": Trial.truncated,
    "emptied": Trial.emptied,
    "flipped": Trial.flipped,
    "deleted": Trial.deleted,
    "file-deleted": Trial.file_deleted,
    "swapped": Trial.swapped,
    "two-processes": Trial.two_processes,
    "disk-full": Trial.disk_full,
}
