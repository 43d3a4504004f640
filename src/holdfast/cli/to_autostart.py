"""The commands that let a run go on after a reboot."""

import typer

from holdfast.cli import options
from holdfast.cli.faults import reports_faults

commands = typer.Typer(
    help="Let systemd (Linux) continue the run after a reboot.\n\nElsewhere, say what to do.",
    no_args_is_help=True,
    rich_markup_mode=None,
    epilog="Exit codes: 0 the run continues after a reboot (or, for disable, no longer does), "
    "1 it does not: what is left to do is printed, 2 usage, or no systemd here.",
)


@commands.command("enable")
@reports_faults
def enable_autostart(checkpoint_dir: options.RunDirectory = options.DEFAULT_DIRECTORY) -> None:
    """Continue this run after each reboot.

    It is started as `holdfast train` last started it.
    """
    from holdfast.cli.autostart import enable

    raise typer.Exit(enable(checkpoint_dir))


@commands.command("disable")
@reports_faults
def disable_autostart(checkpoint_dir: options.RunDirectory = options.DEFAULT_DIRECTORY) -> None:
    """Stop what systemd started, and let it start no other.

    The training saves before it ends.
    """
    from holdfast.cli.autostart import disable

    raise typer.Exit(disable(checkpoint_dir))


@commands.command("status")
@reports_faults
def show_autostart(checkpoint_dir: options.RunDirectory = options.DEFAULT_DIRECTORY) -> None:
    """Show whether the run continues after a reboot.

    And by which command, and whether systemd runs it now.
    """
    from holdfast.cli.autostart import show

    raise typer.Exit(show(checkpoint_dir))
