"""``holdfast train --supervise``: the training in a child, started again when it dies."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from rich.console import Console

from holdfast.cli.faults import say
from holdfast.cli.options import as_arguments
from holdfast.cli.telling import SUPERVISED, Messages, telling
from holdfast.cli.train import without_addresses
from holdfast.config import resolve
from holdfast.errors import EXIT_JOB_FAILED, STOP_SIGNALS, HoldfastError, Interrupted
from holdfast.rundir import RecoveryState, Started, load_state
from holdfast.status import COMPLETE, FAILED, JobStatus, read_status, stage_epochs
from holdfast.storage.objects import located
from holdfast.tracking import NOTIFY, Notifier, check_tools

PATIENCE = 5
"""Restarts in a row that may get no job further."""

_NO_HELP = {0, 1, 2, 3, 4, 130, 143}  # exit codes after which a restart would change nothing
_STOPS = {int(getattr(signal, name)) for name in STOP_SIGNALS if hasattr(signal, name)}

Place = tuple[bool, int, int, int]
"""How far a job is: complete, stage, epoch, step; a greater one is further."""
_NOWHERE: Place = (False, -1, 0, 0)


def supervise_series(flags: Mapping[str, Any], file: Path | None) -> int:
    """Train in a child until a restart would not help; return the exit code.

    Raises:
        HoldfastError: the training dies again and again, and gets no job further.
        Interrupted: a signal asked for a stop while no training ran.
    """
    config, whom = without_addresses(resolve(flags, file), flags)
    check_tools(config.track)
    # -P: what lies in the current directory is not imported, as for the command `holdfast`
    command = [sys.executable, "-P", "-m", "holdfast", "train", *as_arguments(flags, file)]
    directory = located(config.checkpoint_dir)
    environment = {SUPERVISED: "1", **({NOTIFY: " ".join(whom)} if whom else {})}
    again = str(Started(as_arguments(flags, file), str(Path.cwd()), str(directory)))
    messages = Messages(Notifier(whom, say), config.checkpoint_dir, f"{again} --supervise")
    with telling(messages):
        return Supervisor(command, directory, config.backbones, environment=environment).run()


@dataclass
class Supervisor:
    """Runs a command until it ends by itself, and again when it dies."""

    command: Sequence[str]
    directory: Path
    """Where it can be seen how far the jobs are."""
    backbones: Sequence[str]
    first_wait: float = 1.0
    """Seconds before the first restart; each further one waits twice as long."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """What the children's environment has more."""
    _child: subprocess.Popen[bytes] | None = None
    _stop: int | None = None
    _furthest: dict[str, Place] = field(default_factory=dict)

    def run(self) -> int:
        """Return the exit code of the child that ended by itself."""
        self._got_further()
        restarts = 0
        with self._passing_on_stops():
            while True:
                code = self._run_child()
                if self._is_final(code):
                    return _exit_code(code)
                if self._got_further():
                    restarts = 0
                if restarts == PATIENCE:
                    raise HoldfastError(_gave_up(code))
                self._wait(code, self.first_wait * 2**restarts)
                restarts += 1

    def _run_child(self) -> int:
        self._child = subprocess.Popen(self.command, env=os.environ | self.environment)
        if self._stop is not None:  # asked for while the child was being made
            self._tell_child(self._stop)
        return self._child.wait()

    @contextmanager
    def _passing_on_stops(self) -> Iterator[None]:
        """Pass each request to stop on to the child, and start no other child after one."""

        def pass_on(number: int, frame: FrameType | None) -> None:
            again, self._stop = self._stop is not None, self._stop or number
            # Ctrl-C reaches the child by itself as well: the first time it takes both for one
            # request, but a second Ctrl-C must not come twice
            if not (again and number == signal.SIGINT):
                self._tell_child(number)

        before = {number: signal.signal(number, pass_on) for number in _STOPS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _tell_child(self, number: int) -> None:
        if self._child is not None and os.name != "nt":  # Windows tells the whole console
            self._child.send_signal(number)

    def _is_final(self, code: int) -> bool:
        if self._stop is not None or -code in _STOPS:
            return True
        if code == EXIT_JOB_FAILED and not self._all_tried():
            return False  # python's own 1: it died of an error that nobody expected
        return code in _NO_HELP

    def _all_tried(self) -> bool:
        """Tell whether each job asked for is complete or failed."""
        jobs = [job for job in _jobs(self.directory) if job.backbone in self.backbones]
        return bool(jobs) and all(job.state in (COMPLETE, FAILED) for job in jobs)

    def _got_further(self) -> bool:
        """Tell whether some job is further than any start before has brought it."""
        places = _places(self.directory)
        further = {j: p for j, p in places.items() if p > self._furthest.get(j, _NOWHERE)}
        self._furthest |= further
        return bool(further)

    def _wait(self, code: int, seconds: float) -> None:
        _leave_the_display()
        say(f"holdfast: training died ({_cause(code)}); starting it again in {seconds:g} s")
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if self._stop is not None:
                raise Interrupted(self._stop, "between two starts")
            time.sleep(min(left, 0.1))  # a signal does not end a sleep


def _leave_the_display() -> None:
    """Show the cursor, on a new line: a display that was killed has left it hidden in a bar."""
    console = Console(stderr=True)
    if console.is_terminal:
        console.show_cursor()
        console.line()


def _jobs(directory: Path) -> list[JobStatus]:
    try:
        return read_status(directory).jobs
    except OSError:  # a disk that cannot be read shows no progress
        return []


def _places(directory: Path) -> dict[str, Place]:
    jobs = _jobs(directory)
    stages = stage_epochs(load_state(directory) or RecoveryState()) if jobs else {}
    rank = {stage: number for number, stage in enumerate(stages)}
    return {
        j.job: (j.state == COMPLETE, rank.get(j.stage or "", -1), j.epoch or 0, j.step)
        for j in jobs
    }


def _exit_code(code: int) -> int:
    if -code in _STOPS:
        return Interrupted(-code).exit_code
    return code if code >= 0 else 128 - code  # as a shell has it


def _cause(code: int) -> str:
    if code >= 0:
        return {1: "by an error", 5: "storage failed"}.get(code, f"exit code {code}")
    names = {number.value: number.name for number in signal.Signals}
    hint = ", often: out of memory" if code == -9 else ""
    return names.get(-code, f"signal {-code}") + hint


def _gave_up(code: int) -> str:
    return (
        f"training died ({_cause(code)}), and {PATIENCE} restarts in a row got no job further: "
        "given up; see above what it said, mend that, and run the same command again"
    )
