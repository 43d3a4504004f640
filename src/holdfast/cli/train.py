"""``holdfast train``: resolve the settings, choose a display, run the series."""

import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from holdfast.cli.display import PlainDisplay, RichDisplay, TerminalDisplay
from holdfast.config import resolve
from holdfast.errors import EXIT_COMPLETE, RecoveryRefusedError
from holdfast.status import read_status, resume_lines


def train_series(flags: Mapping[str, Any], file: Path | None) -> int:
    """Train what is not complete yet; return the exit code."""
    config = resolve(flags, file)

    from holdfast.pipeline import run_series  # torch is loaded only for settings that hold
    from holdfast.training import StopRequest

    console = Console(highlight=False, soft_wrap=not Console().is_terminal)
    display: TerminalDisplay
    display = RichDisplay(console) if console.is_terminal else PlainDisplay(console)

    def announce(number: int) -> None:
        name = signal.Signals(number).name
        display.say(f"{name}: saving (once more stops at once)")

    with display:
        return run_series(config, display, StopRequest(announce))


def verify_recovery_of(flags: Mapping[str, Any], file: Path | None) -> int:
    """Verify each checkpoint and tell what a start would continue; train nothing.

    Raises:
        RecoveryRefusedError: a file is damaged.
    """
    from holdfast.pipeline import verify_series

    config = resolve(flags, file)
    directory = Path(config.checkpoint_dir)
    console = Console(highlight=False, soft_wrap=True)
    for line in resume_lines(read_status(directory, list(config.backbones))):
        console.print(line)
    checked = verify_series(directory)
    damaged = [reason for _, reason in checked if reason]
    for reason in damaged:
        console.print(f"✗ {reason}")
    console.print(f"✓ Verified: {len(checked) - len(damaged)} of {len(checked)} files are good")
    if damaged:
        raise RecoveryRefusedError(
            f"{directory}: {len(damaged)} of {len(checked)} files damaged; a start steps over them"
        )
    return EXIT_COMPLETE
