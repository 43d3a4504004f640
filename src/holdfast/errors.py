"""What can go wrong, and the exit code of each.

HoldfastError                      1
├── UsageError                     2   bad usage or configuration
│   ├── ConfigError                2
│   └── UnknownBackboneError       2
├── DataError                      2   the images or their folder
├── RecoveryRefusedError           3   cannot be resumed exactly
│   └── DamagedCheckpointError     3
├── DirectoryInUseError            4   another process holds the lock
│   └── LeaseLostError             4   another process has taken it from this one
├── SupersededError                4   another process trains this job now
├── StorageError                   5   the disk refused
├── ExportError                    1   a model's file is not what was trained; it is not kept
└── JobFailedError                 1   one job ends, the series goes on
    ├── TrainingDivergedError      1   the loss is not a number
    └── RanksDiedError             1   its processes died again and again

KeyboardInterrupt, SystemExit
└── Interrupted                    130 or 143, after saving; no ``except Exception`` eats it

A message says what, where, and what to do next, in one line.
"""

from collections.abc import Sequence
from typing import Any, Self

EXIT_COMPLETE = 0
EXIT_JOB_FAILED = 1
STOP_SIGNALS = ("SIGINT", "SIGTERM", "SIGUSR1", "SIGBREAK")
"""Ctrl-C; a shutdown; Slurm's warning before the time limit; Windows' Ctrl-Break."""


class HoldfastError(Exception):
    """The root of Holdfast's own faults; each arrives in another process as it was raised."""

    exit_code = EXIT_JOB_FAILED

    def __reduce__(self) -> tuple[Any, ...]:
        """Be made again from what was said, not from what `__init__` made that of."""
        return _as_it_was, (type(self), self.args, vars(self))


def _as_it_was(kind: type[HoldfastError], said: tuple[Any, ...], rest: dict[str, Any]) -> Any:
    error = kind.__new__(kind, *said)
    vars(error).update(rest)
    return error


class UsageError(HoldfastError):
    """A command or a call that cannot be carried out as given."""

    exit_code = 2


class ConfigError(UsageError):
    """A setting has a value that cannot be used."""


class UnknownBackboneError(UsageError):
    """No backbone has this name."""

    def __init__(self, name: str, near: Sequence[str] = ()) -> None:
        hint = f"did you mean {' or '.join(near)}?" if near else "`holdfast backbones` lists them"
        super().__init__(f"no backbone is called {name!r}: {hint}")


class DataError(HoldfastError):
    """The images, or the folder they are in, cannot be trained on."""

    exit_code = 2


class RecoveryRefusedError(HoldfastError):
    """The run cannot be continued exactly, so it is not continued."""

    exit_code = 3


class DamagedCheckpointError(RecoveryRefusedError):
    """A checkpoint is not what was written, or not what its name says."""

    def __init__(self, path: object, reason: str) -> None:
        self.reason = reason
        super().__init__(f"{path}: {reason}")


class DirectoryInUseError(HoldfastError):
    """Another process trains in this checkpoint directory."""

    exit_code = 4


class LeaseLostError(DirectoryInUseError):
    """Another process has taken over the run on object storage while this one was cut off."""


class SupersededError(HoldfastError):
    """This job was given to another process, which goes on from what was saved."""

    exit_code = 4


class StorageError(HoldfastError):
    """The file system refused an operation that durability needs."""

    exit_code = 5

    def __init__(self, message: str, errno: int | None = None) -> None:
        self.errno = errno
        super().__init__(message)


class ExportError(HoldfastError):
    """A model cannot be exported, or the file says something else; it is not kept."""


class JobFailedError(HoldfastError):
    """A job ends without a result; the series goes on."""


class TrainingDivergedError(JobFailedError):
    """The loss became NaN or infinite."""


class RanksDiedError(JobFailedError):
    """The processes that train a job together died, and starting them again did not help."""


class Interrupted(KeyboardInterrupt, SystemExit):
    """A signal asked for a stop; everything up to here is saved.

    Uncaught, it ends a script with its exit code and without a traceback.
    """

    def __init__(self, signal_number: int, where: str = "") -> None:
        self.signal_number = signal_number
        self.where = where
        super().__init__(where or f"stopped by signal {signal_number}")
        self.code = self.exit_code

    def __reduce__(self) -> tuple[type[Self], tuple[int, str]]:
        return type(self), (self.signal_number, self.where)  # for another process

    @property
    def exit_code(self) -> int:
        """130 after Ctrl-C, 143 after any other request, as shells expect."""
        return 130 if self.signal_number == 2 else 143
