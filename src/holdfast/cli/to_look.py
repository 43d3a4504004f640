"""The commands that look at a run, or at what there is to train; they change nothing."""

from typing import Annotated

import typer

from holdfast.cli import options
from holdfast.cli.faults import reports_faults

commands = typer.Typer()


@commands.command()
@reports_faults
def status(
    checkpoint_dir: options.RunDirectory = options.DEFAULT_DIRECTORY,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show how the run stands, also while it trains.

    Needs no torch.
    """
    from holdfast.cli.status import show_status

    show_status(checkpoint_dir, as_json)


@commands.command()
@reports_faults
def verify(
    checkpoint_dir: options.RunDirectory = options.DEFAULT_DIRECTORY,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    repair: Annotated[
        bool,
        typer.Option("--repair", help="Move damaged files aside and rebuild, as a start does."),
    ] = False,
) -> None:
    """Read every file of a run, and say which are damaged.

    It also says what a start would continue. Exit code 0 when all are good, 3 when one is
    damaged (and not repaired) or gone. Without --repair it changes nothing, works while training
    runs, and without torch.
    """
    from holdfast.cli.verify import verify_run

    raise typer.Exit(verify_run(checkpoint_dir, as_json=as_json, repair=repair))


@commands.command()
@reports_faults
def backbones() -> None:
    """List the backbones: what each is, its paper, its parameters."""
    from holdfast.cli.backbones import list_backbones

    list_backbones()


@commands.command()
@reports_faults
def serve(
    checkpoint_dir: options.RunDirectory = options.DEFAULT_DIRECTORY,
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Where to listen; others need a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="N", min=0, max=65535, help="0: a free one.")] = 8080,
    token: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            envvar="HOLDFAST_TOKEN",
            help="What a browser has to show once. (default: a random one, where one is needed)",
            show_default=False,
        ),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A further name by which browsers may call it, as a proxy's. May be repeated.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Show the run in the browser, and follow it there.

    Only reads. Needs no torch, and no internet.
    """
    from holdfast.cli.serve import serve_run

    raise typer.Exit(serve_run(checkpoint_dir, host, port, token, allow_host or ()))
