"""The ``holdfast`` command; each sub-command loads what it needs when it runs."""

from typing import Annotated

import typer

from holdfast import __version__
from holdfast.cli import to_autostart, to_look, to_train, to_use

app = typer.Typer(
    name="holdfast",
    help="Train a whole series of image backbones to completion on machines that crash.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"max_content_width": 80},
    epilog="Exit codes: 0 complete, 1 some job failed, 2 usage or data, 3 recovery refused or "
    "damage found, 4 directory in use, 5 storage failed, 130/143 interrupted after saving.",
)

app.add_typer(to_train.commands)
app.add_typer(to_look.commands)
app.add_typer(to_use.commands)
app.add_typer(to_autostart.commands, name="autostart")


@app.callback(invoke_without_command=True)
def _main(
    version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
) -> None:
    if version:
        typer.echo(f"holdfast {__version__}")
        raise typer.Exit
