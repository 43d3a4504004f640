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
