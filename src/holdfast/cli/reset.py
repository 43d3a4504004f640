"""``holdfast reset``."""

import difflib
from pathlib import Path

import typer

from holdfast.cli.faults import check_directory
from holdfast.cli.unit import unit_path
from holdfast.errors import UnknownBackboneError, UsageError
from holdfast.rundir import load_state


def reset_run(directory: Path, backbone: str | None, yes: bool) -> None:
    """Forget a run or one backbone, after asking.

    Raises:
        UsageError: there is no run, or it has no such backbone.
        DirectoryInUseError: another process trains there.
    """
    check_directory(directory, "nothing to reset")
    state = load_state(directory)
    if state is None:
        raise UsageError(f"{directory}: no run is recorded here, nothing to reset")
    known = [*state.backbones, *state.completed_backbones]
    if backbone is not None and backbone not in known:
        raise UnknownBackboneError(backbone, difflib.get_close_matches(backbone, known, n=3))
    what = backbone or "the whole run"
    if not yes and not typer.confirm(f"Remove the checkpoints and results of {what}?"):
        typer.echo("Nothing was changed.")
        return

    from holdfast.checkpoint import CheckpointManager

    manager = CheckpointManager(directory)
    manager.reset_recovery(backbone)
    manager.close()
    typer.echo(f"Forgotten: {what} in {directory}")
    if backbone is None and unit_path(directory).exists():
        typer.echo(
            "A reboot still starts it anew; `holdfast autostart disable --checkpoint-dir "
            f"{directory}` ends that"
        )
