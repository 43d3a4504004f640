"""The commands that look at a run, or at what there is to train; they change nothing."""

from typing import Annotated

import typer

from holdfast.cli import options
from holdfast.cli.faults import reports_faults
from holdfast.errors import UsageError

commands = typer.Typer()


@commands.command()
@reports_faults
def status(
    checkpoint_dir: options.RunDirectory = options.DEFAULT_DIRECTORY,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Go on showing it, until the series is complete.")
    ] = False,
    interval: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            metavar="S",
            help="Seconds between two looks of --watch. (default 2; at a URL 10)",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Show how the run stands, also while it trains.

    Needs no torch. With --watch a table that fits the terminal, or in a pipe a line for each
    change; it ends with exit code 0 when all is complete, 1 when what is left has failed, and 130
    on Ctrl-C, which leaves the training alone.
    """
    if watch and as_json:
        raise UsageError(
            "--watch is for people: for a program, call `holdfast status --json` again"
        )
    if interval is not None and not watch:
        raise UsageError("--interval is how often --watch looks: add --watch, or leave it out")
    if watch:
        from holdfast.cli.watch import watch_run

        raise typer.Exit(watch_run(checkpoint_dir, interval))

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


@commands.command()
@reports_faults
def report(
    checkpoint_dir: options.RunDirectory = options.DEFAULT_DIRECTORY,
    out: Annotated[
        str, typer.Option(metavar="DIR", help="Where the report is written.")
    ] = "report",
    predictions: Annotated[
        bool,
        typer.Option(
            "--predictions/--no-predictions",
            help="Let the models predict, for ROC curves and the ensemble.",
        ),
    ] = True,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="DIR|URL", help="The images, where the run's own cache of them is gone."
        ),
    ] = None,
) -> None:
    """Write the comparison as a page, with figures and tables.

    One report.html that needs nothing else, figures as SVG and PNG, and results.csv, .json, .md
    and .tex. Works while training runs, and says what it leaves out. Needs matplotlib: pip
    install 'holdfast[report]'.
    """
    from holdfast.cli.report import make_report

    make_report(checkpoint_dir, out, predictions=predictions, data=data)
