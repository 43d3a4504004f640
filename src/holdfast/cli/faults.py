"""From a fault to one line on stderr and an exit code."""

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

import typer
from rich.console import Console

from holdfast.errors import HoldfastError, Interrupted, StorageError, UsageError

Given = ParamSpec("Given")
Returned = TypeVar("Returned")

_NOTHING_LOST = "nothing saved before is lost, run the same command again"


def reports_faults(command: Callable[Given, Returned]) -> Callable[Given, Returned]:
    """Make a command end with its fault's message and exit code, without a traceback."""

    @functools.wraps(command)
    def guarded(*args: Given.args, **kwargs: Given.kwargs) -> Returned:
        try:
            return command(*args, **kwargs)
        except HoldfastError as error:
            say(f"holdfast: {error}")
            raise typer.Exit(error.exit_code) from None
        except BrokenPipeError:  # whoever read the output has gone; click ends quietly
            raise
        except OSError as error:  # a read that the disk refused; a refused write is a StorageError
            where = f"{error.filename}: " if error.filename else ""
            say(f"holdfast: {where}{error.strerror or error}; {_NOTHING_LOST}")
            raise typer.Exit(StorageError.exit_code) from None
        except Interrupted as stop:
            say(f"Stopped: {stop}, saved. The same command goes on from here.")
            raise typer.Exit(stop.exit_code) from None
        except KeyboardInterrupt:
            say("Stopped. What was saved stands; the same command goes on from there.")
            raise typer.Exit(130) from None

    return guarded


def check_directory(directory: Path, hint: str = "`holdfast train` makes it") -> None:
    """Raise UsageError where ``directory`` is none; ``hint`` says what to do where nothing is."""
    if not directory.is_dir():
        there = "is a file; name the run's directory" if directory.exists() else ""
        raise UsageError(f"{directory}: {there or f'no such directory; {hint}'}")


def say(line: str, *, stderr: bool = True) -> None:
    """Print one line; a terminal breaks it between words, a pipe gets it whole."""
    sys.stdout.flush()
    console = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    console.print(line, soft_wrap=not console.is_terminal)
