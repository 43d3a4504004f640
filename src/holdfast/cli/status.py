"""``holdfast status``."""

import json
from pathlib import Path

from rich.console import Console

from holdfast.config import BACKBONES
from holdfast.status import no_run, read_run, render_text, results_table


def show_status(where: str | Path, as_json: bool) -> None:
    """Print how the run in a directory, or at a URL, stands.

    Raises:
        UsageError: there is no such directory.
    """
    status = read_run(where, BACKBONES, whole_results=as_json)
    console = Console(highlight=False)
    if as_json:
        console.out(json.dumps(status.to_json(), indent=2), highlight=False)
        return
    if not status.begun:
        console.out(no_run(status.directory), highlight=False)
        return
    console.out(render_text(status), highlight=False)
    if status.total_backbones and not status.remaining:
        console.print(results_table(status, console.width))
