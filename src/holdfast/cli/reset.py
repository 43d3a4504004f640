"""``holdfast reset``."""

from pathlib import Path

import typer

from holdfast.errors import UsageError


def reset_run(directory: Path, backbone: str | None, yes: bool) -> None:
    """Forget a run or one backbone, after asking.

    Raises:
        UsageError: there is no such directory.
        DirectoryInUseError: another process trains there.
    """
    if not directory.is_dir():
        raise UsageError(f"{directory}: no such directory, nothing to reset")
    what = backbone or "the whole run"
    if not yes and not typer.confirm(f"Remove the checkpoints and results of {what}?"):
        typer.echo("Nothing was changed.")
        return

    from holdfast.checkpoint import CheckpointManager

    manager = CheckpointManager(directory)
    manager.reset_recovery(backbone)
    manager.close()
    typer.echo(f"Forgotten: {what} in {directory}")
