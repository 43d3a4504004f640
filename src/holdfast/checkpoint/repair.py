"""What a start does to a directory before it trains: nothing damaged is left where it stands."""

from collections.abc import Callable
from pathlib import Path

from holdfast.checkpoint.ledger import Ledger
from holdfast.rundir import (
    JobName,
    best_path,
    list_checkpoints,
    list_results,
    looks_whole,
    peek,
    pth_reports,
    rows,
    set_aside,
)
from holdfast.storage import remove

OnNotice = Callable[[str], None]


def repair(ledger: Ledger, on_notice: OnNotice) -> None:
    """Verify every checkpoint, set the damaged ones aside, and take up what only files know.

    The JSON files and the journal have been seen to by `Ledger.hold`.
    """
    ledger.hold()
    for name, reason in ledger.mended.items():
        on_notice(f"{name}: {reason}; rebuilt, and a copy is in damaged/")
    ledger.mended.clear()
    ledger.identify()
    for report in pth_reports(ledger.directory):
        if report.fault:
            move_aside(ledger, ledger.directory / report.name, report.fault, on_notice)
    _adopt_results(ledger)
    _finish_completions(ledger)


def move_aside(ledger: Ledger, path: Path, reason: str, on_notice: OnNotice) -> None:
    """Move one damaged file out of the way and tell it, on the screen and in the journal."""
    target = set_aside(path, reason)
    ledger.journal.append("file_set_aside", file=path.name, reason=reason)
    on_notice(f"{path.name}: {reason}; moved to {target.parent.name}/")


def lost_weights(ledger: Ledger) -> set[JobName]:
    """Return the completed jobs whose weights file was written and is gone or cut short."""
    records = [r for r in ledger.journal.read() if r["event"] == "job_completed"]
    written = {JobName.parse(r["job"]) for r in records if r.get("weights")}
    kept = written & ledger.state.results.keys()
    return {job for job in kept if not looks_whole(best_path(ledger.directory, job))}


def _adopt_results(ledger: Ledger) -> None:
    """Record results that a crash, or the loss of the journal, left in weights files alone."""
    recorded = {r["job"] for r in ledger.journal.read() if r["event"] == "job_completed"}
    results = ledger.state.results
    for job, path in list_results(ledger.directory):
        if job in results and str(job) in recorded:
            continue
        record = peek(path)
        ledger.agree_on_epochs(job, rows(record["history"]))
        ledger.completed(job, results.get(job, record["result"]), record["seconds"])


def _finish_completions(ledger: Ledger) -> None:
    """End what a crash left undone behind a result: a fold's checkpoints go, no job is current."""
    state = ledger.state
    for job in state.results:
        if job.fold is not None and looks_whole(best_path(ledger.directory, job)):
            for file in list_checkpoints(ledger.directory, job):
                remove(file.path)
    if state.current_job in state.results:
        state.current_job = state.current_stage = state.current_epoch = None
        ledger.publish(state)
