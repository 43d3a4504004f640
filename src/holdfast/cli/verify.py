"""``holdfast verify``: read every byte of a run, and say what a start would make of it."""

import json
from collections.abc import Mapping
from pathlib import Path

import typer

from holdfast.cli.faults import check_directory, say
from holdfast.config import BACKBONES
from holdfast.errors import EXIT_COMPLETE, RecoveryRefusedError
from holdfast.rundir import survey
from holdfast.status import resume_lines, verification_lines, verify
from holdfast.storage.objects import located, thorough, viewed


def verify_run(
    where: str | Path,
    *,
    as_json: bool = False,
    repair: bool = False,
    asked: Mapping[str, int] | None = None,
) -> int:
    """Print what is damaged and what a start would continue; return the exit code.

    ``asked`` are the backbones that it would ask for, with their folds.

    Raises:
        UsageError: there is no such directory.
        DirectoryInUseError: ``repair`` while another process trains there.
        RecoveryRefusedError: a newer Holdfast wrote the recovery state.
    """
    if repair:
        for line in _repair(where):
            say(f"! {line}", stderr=as_json)
    with viewed(where, whole=True) as directory:
        check_directory(directory)
        found = verify(directory, BACKBONES, asked)
    if as_json:
        typer.echo(json.dumps(found.to_json(), indent=2))
    else:
        for line in [*verification_lines(found), *resume_lines(found.status)]:
            say(line, stderr=False)
    return RecoveryRefusedError.exit_code if found.damaged else EXIT_COMPLETE


def _repair(where: str | Path) -> list[str]:
    """Do what a start would do before it trains; return what it would tell."""
    with viewed(where) as seen:
        check_directory(seen)
        if not survey(seen):
            return []  # no run to repair, and none to begin
    from holdfast.checkpoint import Ledger, clear_images, repair

    told: list[str] = []
    directory = located(where)
    ledger = Ledger(directory)
    try:
        with thorough(directory):
            repair(ledger, told.append)
            clear_images(ledger, told.append)
    finally:
        ledger.close()
    return told
