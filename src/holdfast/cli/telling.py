"""What people are told of a run by ``--notify``: what happened, where, how far, what to do."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from holdfast.errors import (
    EXIT_COMPLETE,
    EXIT_JOB_FAILED,
    DirectoryInUseError,
    HoldfastError,
    StorageError,
    UsageError,
)
from holdfast.status import COMPLETE, FAILED, STARTED, counted, describe, read_status
from holdfast.storage.objects import located, named
from holdfast.tracking import Notifier

SUPERVISED = "HOLDFAST_SUPERVISED"
"""The environment variable by which a child knows that it will be started again when it dies."""

_TRIED_AGAIN = {EXIT_JOB_FAILED, StorageError.exit_code}
_LISTED = 5  # jobs named one by one


@dataclass(frozen=True)
class Messages:
    """The messages of one start."""

    notifier: Notifier
    where: str
    """The checkpoint directory, or its URL."""
    again: str
    """The command that goes on with the run."""

    def ended(self, code: int) -> None:
        """Tell that nothing is left to train in this start."""
        if code == EXIT_COMPLETE:
            look = f"holdfast status --checkpoint-dir {named(self.where)}"
            self._tell("finished", "Every job is complete.", look)
        else:
            self._tell("failed", "A job failed; the next start tries it again.", self.again)

    def failed(self, reason: str) -> None:
        """Tell that the series was ended by a fault."""
        self._tell("failed", reason, self.again)

    def interrupted(self, how: str) -> None:
        """Tell that somebody asked for a stop."""
        self._tell("interrupted", how, self.again)

    def stalled(self, seconds: float) -> None:
        """Tell that there has been no step for long."""
        look = "the process is alive; look what it waits for (data, disk, GPU), or kill it: then "
        self._tell("stalled", f"No step for {_minutes(seconds)}.", f"{look}{self.again}")

    def moving(self, seconds: float) -> None:
        """Tell that it goes on after that."""
        self._tell("continues", f"It had stood still for {_minutes(seconds)}.", "nothing to do")

    def _tell(self, what: str, how: str, next_: str) -> None:
        if not self.notifier.has_addresses:
            return
        lines = [how, *_how_far(self.where), f"Directory: {named(self.where)}", f"Next: {next_}"]
        self.notifier.tell(f"Holdfast {what} on {socket.gethostname()}", "\n".join(lines))


@contextmanager
def telling(messages: Messages) -> Iterator[None]:
    """Tell how the block is ended by what it raises, and wait until all that is told is sent.

    A fault that the person sees who has just typed the command is not told, nor one after which a
    supervisor starts the training again.
    """
    try:
        yield
    except UsageError:
        raise
    except HoldfastError as error:
        if type(error) is not DirectoryInUseError and not _is_tried_again(error.exit_code):
            messages.failed(str(error))
        raise
    except KeyboardInterrupt as stop:
        messages.interrupted(f"Stopped: {stop or 'Ctrl-C'}.")
        raise
    except Exception as error:
        code = StorageError.exit_code if isinstance(error, OSError) else EXIT_JOB_FAILED
        if not _is_tried_again(code):
            messages.failed(f"{type(error).__name__}: {error}")
        raise
    finally:
        messages.notifier.close()


def _is_tried_again(code: int) -> bool:
    return SUPERVISED in os.environ and code in _TRIED_AGAIN


def _how_far(where: str) -> list[str]:
    try:
        status = read_status(located(where))
    except (HoldfastError, OSError) as error:
        return [f"How far it is cannot be read: {error}"]
    done = f"{status.completed} of {counted(status.total_backbones, 'backbone')} complete"
    folds = [job for job in status.jobs if job.fold is not None]
    if folds:
        complete = sum(job.state == COMPLETE for job in folds)
        done += f", {complete} of {counted(len(folds), 'fold')}"
    lines = [done]
    lines += [f"{j.job}: {describe(j)}" for j in status.jobs if j.state == STARTED][:_LISTED]
    failed = [f"{j.job} failed: {j.error}" for j in status.jobs if j.state == FAILED]
    more = [f"and {len(failed) - _LISTED} more failed"] if len(failed) > _LISTED else []
    return lines + failed[:_LISTED] + more


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
