"""``holdfast report``."""

from pathlib import Path

from holdfast.cli.faults import check_directory, say
from holdfast.cli.working import Working
from holdfast.errors import UsageError
from holdfast.status import counted, printable_text
from holdfast.storage.objects import is_url, viewed


def make_report(
    where: str | Path, out: str, *, predictions: bool = True, data: str | None = None
) -> None:
    """Write the report of the run in a directory, or at a URL, below ``out``.

    Raises:
        UsageError: there is no run, or matplotlib is not installed.
        StorageError: the disk refused.
    """
    if is_url(out):
        raise UsageError(f"--out {out}: name a folder of this machine")
    try:
        from holdfast.report import gather, with_predictions, without_predictions, write_report
    except ModuleNotFoundError as error:
        if error.name != "matplotlib":
            raise
        message = "holdfast report needs matplotlib: pip install 'holdfast[report]'"
        raise UsageError(message) from None
    with Working() as working:
        with viewed(where) as directory:
            check_directory(directory)
            facts = gather(directory)
        if predictions:
            facts = with_predictions(facts, where, data, working.progress)
        else:
            facts = without_predictions(facts)
        written = write_report(facts, Path(out), working.progress)
    for reason in written.left_out:
        say(f"! left out: {printable_text(reason)}")
    status, state = facts.status, "" if facts.finished else ", not finished"
    if facts.only_folds_are_open:
        state = f", {counted(facts.open_folds, 'fold')} not yet"
    complete = f"{status.completed} of {counted(status.total_backbones, 'backbone')} complete"
    figures = counted(written.figures, "figure")
    say(f"✓ {written.page}: {complete}{state}, {figures}", stderr=False)
