"""``holdfast status``."""

import json
from pathlib import Path

from rich.console import Console

from holdfast.cli.faults import check_directory
from holdfast.config import BACKBONES
from holdfast.rundir import load_state
from holdfast.status import read_status, render_text, results_table
from holdfast.storage.objects import viewed


def show_status(where: str | Path, as_json: bool) -> None:
    """Print how the run in a directory, or at a URL, stands.

    Raises:
        UsageError: there is no such directory.
    """
    with viewed(where) as directory:
        check_directory(directory)
        status = read_status(directory, BACKBONES, whole_results=as_json)
        begun = status.recovery_available or load_state(directory) is not None
    console = Console(highlight=False)
    if as_json:
        console.out(json.dumps(status.to_json(), indent=2), highlight=False)
        return
    if not begun:
        console.out(
            f"{status.directory}: no run is recorded here; `holdfast train` begins one",
            highlight=False,
        )
        return
    console.out(render_text(status), highlight=False)
    if status.total_backbones and not status.remaining:
        console.print(results_table(status))
