"""``holdfast reset``."""

import difflib
from pathlib import Path

import typer

from holdfast.cli.faults import check_directory
from holdfast.cli.unit import unit_path
from holdfast.errors import UnknownBackboneError, UsageError
from holdfast.rundir import RecoveryState, list_all_checkpoints, list_results, load_state
from holdfast.status import counted, human_bytes
from holdfast.storage.objects import shown, viewed


def reset_run(where: str | Path, backbone: str | None, yes: bool) -> None:
    """Forget a run or one backbone, after asking.

    Raises:
        UsageError: there is no run, or it has no such backbone.
        DirectoryInUseError: another process trains there.
    """
    with viewed(where) as directory:
        check_directory(directory, "nothing to reset")
        state = load_state(directory)
        if state is None:
            raise UsageError(
                f"{shown(directory)}: no run is recorded here, nothing to reset; is it "
                "another --checkpoint-dir?"
            )
        known = [*state.backbones, *state.completed_backbones]
        if backbone is not None and backbone not in known:
            raise UnknownBackboneError(backbone, difflib.get_close_matches(backbone, known, n=3))
        what, content = backbone or "the whole run", _content(directory, state, backbone)
        name = shown(directory)
    if not yes and not _confirmed(f"Remove {what}: {content}?"):
        typer.echo("Nothing was changed.")
        return

    from holdfast.checkpoint import CheckpointManager

    manager = CheckpointManager(where)
    manager.reset_recovery(backbone)
    manager.close()
    typer.echo(f"Forgotten: {what} in {name}")
    if backbone is None and unit_path(where).exists():
        typer.echo(
            "A reboot still starts it anew; `holdfast autostart disable --checkpoint-dir "
            f"{directory}` ends that"
        )


def _confirmed(question: str) -> bool:
    try:
        return typer.confirm(question)
    except typer.Abort:
        typer.echo()
        raise UsageError("no answer, nothing was changed; --yes does not ask") from None


def _content(directory: Path, state: RecoveryState, backbone: str | None) -> str:
    """Say how much there is of a backbone, or of the run."""
    mine = [job for job in state.results if backbone in (None, job.backbone)]
    folds = sum(job.fold is not None for job in mine)
    files = [(file.job, file.path) for file in list_all_checkpoints(directory)]
    paths = [p for job, p in [*files, *list_results(directory)] if backbone in (None, job.backbone)]
    size = human_bytes(sum(path.stat().st_size for path in paths))
    results = counted(len(mine) - folds, "result")
    return f"{results}, {counted(folds, 'fold')}, {size} in {shown(directory)}"
