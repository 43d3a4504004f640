"""``holdfast report``."""

from pathlib import Path

from rich.console import Console

from holdfast.cli.faults import check_directory, say
from holdfast.errors import UsageError
from holdfast.status import counted
from holdfast.storage.objects import is_url, viewed


def make_report(where: str | Path, out: str, *, predictions: bool = True) -> None:
    """Write the report of the run in a directory, or at a URL, below ``out``.

    Raises:
        UsageError: there is no run, or matplotlib is not installed.
        StorageError: the disk refused.
    """
    if is_url(out):
        raise UsageError(f"--out {out}: name a folder of this machine")
    try:
        from holdfast.report import gather, write_report
    except ModuleNotFoundError as error:
        if error.name != "matplotlib":
            raise
        message = "holdfast report needs matplotlib: pip install 'holdfast[report]'"
        raise UsageError(message) from None
    console = Console(stderr=True, highlight=False)
    with viewed(where) as directory, console.status("Reading the run") as shown:
        check_directory(directory)
        facts = gather(directory)
        drawn = write_report(
            facts, Path(out), lambda done, of: shown.update(f"Drawing figure {done + 1} of {of}")
        )
    state = "" if facts.finished else ", not finished"
    for reason in facts.left_out:
        say(f"! left out: {reason}", stderr=True)
    say(
        f"✓ {Path(out) / 'report.html'}: {facts.status.completed} of "
        f"{counted(facts.status.total_backbones, 'backbone')}{state}, {counted(drawn, 'figure')}",
        stderr=False,
    )
