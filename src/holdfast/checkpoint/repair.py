"""What a start does to a directory before it trains: nothing damaged is left where it stands."""

from collections.abc import Callable, Sequence
from pathlib import Path

from holdfast.checkpoint.job_ledger import JobLedger
from holdfast.checkpoint.ledger import Ledger
from holdfast.rundir import (
    MISSING,
    JobName,
    best_path,
    image_reports,
    is_complete,
    jobs_with_lost_weights,
    list_all_checkpoints,
    list_results,
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
        copy = "" if reason == MISSING else ", and what was there is in damaged/"
        on_notice(f"{name}: {reason}; rebuilt{copy}")
    ledger.mended.clear()
    ledger.identify()
    for report in pth_reports(ledger.directory, ledger.run_id):
        if report.fault:
            move_aside(ledger, ledger.directory / report.name, report.fault, on_notice)
    _adopt_results(ledger)
    _finish_completions(ledger)


def clear_images(ledger: Ledger, on_notice: OnNotice) -> None:
    """Set damaged decoded images aside; a start need not, it decodes them again in their place."""
    for report in image_reports(ledger.directory):
        if report.fault:
            move_aside(ledger, ledger.directory / report.name, report.fault, on_notice)


def move_aside(ledger: JobLedger, path: Path, reason: str, on_notice: OnNotice) -> None:
    """Move one damaged file out of the way and tell it, on the screen and in the journal."""
    target = set_aside(ledger.directory, path, reason)
    ledger.noted_damage(path.name, reason)
    on_notice(f"{path.name}: {reason}; moved to {target.parent.name}/")


def lost_weights(ledger: Ledger, jobs: Sequence[JobName]) -> list[JobName]:
    """Return those of the completed jobs whose weights file was written and is gone or cut."""
    return jobs_with_lost_weights(ledger.directory, jobs, ledger.records) if jobs else []


def _adopt_results(ledger: Ledger) -> None:
    """Record results that a crash, or the loss of the journal, left in weights files alone."""
    recorded = {r["job"] for r in ledger.records if r["event"] == "job_completed"}
    results = ledger.state.results
    mended = any(r["event"] == "state_kept" for r in ledger.records)
    for job, path in list_results(ledger.directory):
        known = job in results and str(job) in recorded
        if known and not mended:
            continue
        record = peek(path)
        ledger.agree_on_epochs(job, rows(record["history"]))
        if not known:
            ledger.completed(job, results.get(job, record["result"]), record["seconds"])


def _finish_completions(ledger: Ledger) -> None:
    """End what a crash left undone behind a result: a fold's checkpoints go, no job is current."""
    state = ledger.state
    for file in list_all_checkpoints(ledger.directory):
        job = file.job
        done = job.fold is not None and is_complete(state, job)
        if done and best_path(ledger.directory, job).exists():
            remove(file.path)
    if state.current_job and is_complete(state, state.current_job):
        ledger.stands(None)
