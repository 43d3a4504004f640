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

A message says what, where, and what to do next, in one line; a class's ``next_step``, what helps
against all of its kind.
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
    next_step = (
        "See above what training said, mend that, and run the same command again: nothing "
        "saved is lost."
    )

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
    next_step = "Type what the message asks for; `holdfast --help` shows what there is."


class ConfigError(UsageError):
    """A setting has a value that cannot be used."""

    next_step = "Mend the setting that is named; `holdfast init` writes a file with every setting."


class UnknownBackboneError(UsageError):
    """No backbone has this name."""

    next_step = "Take one of the names that the message, or `holdfast backbones`, lists."

    def __init__(self, name: str, near: Sequence[str] = ()) -> None:
        hint = (
            f"did you mean {' or '.join(dict.fromkeys(near))}?"
            if near
            else "`holdfast backbones` lists them"
        )
        super().__init__(f"no backbone is called {name!r}: {hint}")


class DataError(HoldfastError):
    """The images, or the folder they are in, cannot be trained on."""

    exit_code = 2
    next_step = "Mend the folder as the message says, or name another: `holdfast train --data DIR`."


class RecoveryRefusedError(HoldfastError):
    """The run cannot be continued exactly, so it is not continued."""

    exit_code = 3
    next_step = (
        "Start it as it was started, decide by `holdfast train --on-change`, or give the run "
        "up: `holdfast reset`."
    )


class DamagedCheckpointError(RecoveryRefusedError):
    """A checkpoint is not what was written, or not what its name says."""

    next_step = (
        "`holdfast verify --repair` sets it aside, and so does the next `holdfast train`, "
        "which goes on from the one before."
    )

    def __init__(self, path: object, reason: str) -> None:
        self.reason = reason
        super().__init__(f"{path}: {reason}")


class DirectoryInUseError(HoldfastError):
    """Another process trains in this checkpoint directory."""

    exit_code = 4
    next_step = (
        "Wait for the process that is named, or stop it; `holdfast status --watch` only "
        "looks, and works meanwhile."
    )


class LeaseLostError(DirectoryInUseError):
    """Another process has taken over the run on object storage while this one was cut off."""

    next_step = (
        "Look who trains there, by `holdfast status`; if nobody does, run the same command again."
    )


class SupersededError(HoldfastError):
    """This job was given to another process, which goes on from what was saved."""

    exit_code = 4
    next_step = "Nothing: the other process goes on, and `holdfast status` shows how far it is."


class StorageError(HoldfastError):
    """The file system refused an operation that durability needs."""

    exit_code = 5
    next_step = (
        "Free space, give the rights, or wait for the store, as the message says; then run "
        "the same command again."
    )

    def __init__(self, message: str, errno: int | None = None) -> None:
        self.errno = errno
        super().__init__(message)


class ExportError(HoldfastError):
    """A model cannot be exported, or the file says something else; it is not kept."""

    next_step = (
        "Try another format, `holdfast export --format`: the message names the largest difference "
        "from torch, or what could not be exported."
    )


class JobFailedError(HoldfastError):
    """A job ends without a result; the series goes on."""

    next_step = (
        "Mend what the message quotes; the next `holdfast train` tries the job again from its "
        "newest checkpoint."
    )


class TrainingDivergedError(JobFailedError):
    """The loss became NaN or infinite."""

    next_step = (
        "Lower the learning rate, for this backbone alone in the table overrides (`holdfast "
        "init`), then `holdfast reset --backbone NAME` and train it anew."
    )


class RanksDiedError(JobFailedError):
    """The processes that train a job together died, and starting them again did not help."""

    next_step = (
        "Look for what ends them, mostly want of memory; fewer ranks or a smaller batch need "
        "less, on a run begun anew: `holdfast train --gpus-per-job`, `--batch-size`."
    )


class Interrupted(KeyboardInterrupt, SystemExit):
    """A signal asked for a stop; everything up to here is saved.

    Uncaught, it ends a script with its exit code and without a traceback.
    """

    next_step = "Run the same command again: it goes on from here."

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
