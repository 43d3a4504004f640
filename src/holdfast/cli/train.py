"""``holdfast train``: resolve the settings, choose a display, run the series."""

import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from holdfast.cli.options import as_arguments
from holdfast.cli.verify import verify_run
from holdfast.config import RunConfig, resolve
from holdfast.rundir import Started, verify_ahead
from holdfast.storage.objects import is_url, named

if TYPE_CHECKING:
    from holdfast.cli.display import TerminalDisplay


def train_series(flags: Mapping[str, Any], file: Path | None) -> int:
    """Train what is not complete yet; return the exit code."""
    config = resolve(flags, file)
    if "TORCHELASTIC_RUN_ID" in os.environ:  # set by torchrun
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
        if os.environ["RANK"] != "0":
            from holdfast.pipeline import follow_series

            return follow_series(config)
    started = Started(as_arguments(flags, file), str(Path.cwd()), named(config.checkpoint_dir))
    return run_with_display(config, started)


def run_with_display(config: RunConfig, started: Started | None) -> int:
    """Train what these settings name, and show it where this process shows things.

    What ``started`` says is recorded, for whoever is to start it again.
    """
    if not is_url(config.checkpoint_dir):  # what is in scratch may not be what will be loaded
        verify_ahead(Path(config.checkpoint_dir).resolve())

    # torch is loaded only for settings that hold
    from holdfast.pipeline import run_series
    from holdfast.training import StopRequest

    display = _display()

    def announce(number: int) -> None:
        name = signal.Signals(number).name
        display.say(f"{name}: saving (once more stops at once)")

    with display:
        return run_series(config, display, StopRequest(announce), started)


def _display() -> "TerminalDisplay":
    from holdfast.cli.bars import TerminalBars
    from holdfast.cli.display import NotebookDisplay, PlainDisplay, RichDisplay
    from holdfast.training import in_notebook

    if in_notebook():
        return NotebookDisplay()
    console = Console(highlight=False, soft_wrap=not Console().is_terminal)
    return (
        RichDisplay(console, TerminalBars(console))
        if console.is_terminal
        else PlainDisplay(console)
    )


def verify_recovery_of(flags: Mapping[str, Any], file: Path | None) -> int:
    """Do what ``holdfast verify`` does, in the directory that these settings name.

    Raises:
        RecoveryRefusedError: a start with the settings that are given would be refused.
    """
    config = resolve(flags, file)
    if file or flags.keys() - {"checkpoint_dir"}:
        from holdfast.pipeline import check_settings  # loads torch, which verifying need not

        check_settings(config)
    return verify_run(config.checkpoint_dir)
