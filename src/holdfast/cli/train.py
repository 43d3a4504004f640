"""``holdfast train``: resolve the settings, choose a display, run the series."""

import os
import signal
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from holdfast.cli.options import as_arguments
from holdfast.cli.telling import Messages, telling
from holdfast.cli.verify import verify_run
from holdfast.config import RunConfig, resolve
from holdfast.rundir import Started, verify_ahead
from holdfast.storage.objects import is_url, named
from holdfast.tracking import (
    NOTIFY,
    Notifier,
    StallWatch,
    addresses,
    check_tools,
    following,
)

if TYPE_CHECKING:
    from holdfast.cli.display import TerminalDisplay


def train_series(flags: Mapping[str, Any], file: Path | None) -> int:
    """Train what is not complete yet; return the exit code."""
    config, whom = without_addresses(resolve(flags, file), flags)
    if "TORCHELASTIC_RUN_ID" in os.environ:  # set by torchrun
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
        if os.environ["RANK"] != "0":
            from holdfast.pipeline import follow_series

            return follow_series(config)
    started = Started(
        as_arguments(flags, file),
        str(Path.cwd()),
        named(config.checkpoint_dir),
        notifies="notify" in flags or NOTIFY in os.environ,
    )
    return run_with_display(config, whom, started)


def run_with_display(config: RunConfig, whom: list[str], started: Started | None) -> int:
    """Train what these settings name, and show it where this process shows things.

    ``whom`` are the addresses to notify. What ``started`` says is recorded, for whoever is to start
    it again.
    """
    check_tools(config.track)
    if not is_url(config.checkpoint_dir):  # what is in scratch may not be what will be loaded
        verify_ahead(Path(config.checkpoint_dir).resolve())

    notifier = Notifier(whom, lambda line: display.notice(line))

    # torch is loaded only for settings that hold
    from holdfast.cli.watched import WatchedDisplay, WatchedStop
    from holdfast.pipeline import run_series

    display = _display()

    def announce(number: int) -> None:
        name = signal.Signals(number).name
        display.say(f"{name}: saving (once more stops at once)")

    again = str(started) if started else "the same call of holdfast.train"
    messages = Messages(notifier, config.checkpoint_dir, again)
    watch = StallWatch(config.stall_after, messages.stalled, messages.moving)
    stop = WatchedStop(announce, watch if _is_alone(config) else None)

    def beside(directory: Path) -> AbstractContextManager[None]:
        where, data = config.checkpoint_dir, config.data
        return following(directory, config.track, where, data, display.notice)

    with display, telling(messages), watch if whom else nullcontext():
        code = run_series(config, WatchedDisplay(display, watch), stop, started, beside=beside)
        messages.ended(code)
        return code


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


def without_addresses(config: RunConfig, flags: Mapping[str, Any]) -> tuple[RunConfig, list[str]]:
    """Return the settings without whom to notify, which nothing else is to know, and those."""
    named = [address.get_secret_value() for address in config.notify]
    given = "notify" in flags
    whom = addresses(named if given else [], [] if given else named)
    return config.model_copy(update={"notify": ()}), whom


def _is_alone(config: RunConfig) -> bool:
    """Tell whether this process computes each step itself, and does not wait for who does."""
    return config.engine == "local" and max(config.ranks or 1, config.gpus_per_job or 1) == 1


def verify_recovery_of(flags: Mapping[str, Any], file: Path | None) -> int:
    """Do what ``holdfast verify`` does, in the directory that these settings name.

    Raises:
        RecoveryRefusedError: a start with the settings that are given would be refused.
    """
    config, asked = resolve(flags, file), None
    if file or flags.keys() - {"checkpoint_dir"}:
        from holdfast.pipeline import check_settings  # loads torch, which verifying need not

        check_settings(config)
        asked = {name: config.fold_counts.get(name, 0) for name in config.backbones}
    return verify_run(config.checkpoint_dir, asked=asked)
