"""How a run stands, as plain text: ``recovery_status.txt`` and ``holdfast status`` in a pipe."""

import textwrap

from holdfast.status.snapshot import COMPLETE, FAILED, PENDING, STARTED, JobStatus, Status

MARKS = {COMPLETE: "✓", FAILED: "✗", STARTED: "▸", PENDING: "·"}
CHANGED = "* settings or data changed in training: not what an undisturbed run gives"

_HANGING = textwrap.TextWrapper(80, initial_indent="  ", subsequent_indent="    ")


def render_text(status: Status) -> str:
    """Return the whole report; every line fits 80 columns, but for a long directory's name."""
    lines = [
        "Holdfast recovery status",
        f"Directory:  {status.directory}",
        f"Updated:    {status.timestamp[:19].replace('T', ' ') or 'never'}",
        f"Completed:  {status.completed} of {status.total_backbones} backbones",
        f"Remaining:  {status.remaining}",
        f"Next:       {status.next_backbone or 'nothing, all backbones are complete'}",
        f"On disk:    {human_bytes(status.bytes)} of checkpoints",
        *training_lines(status),
        "",
    ]
    full = [job for job in status.jobs if job.fold is None]
    folds = [job for job in status.jobs if job.fold is not None]
    lines += [_line(job) for job in full]
    if folds:
        done = sum(job.state == COMPLETE for job in folds)
        lines += ["", f"Cross-validation: {done} of {len(folds)} folds complete"]
        lines += [_line(job) for job in folds if job.state in (STARTED, FAILED) or job.changed]
    if marked(status):
        lines += ["", CHANGED]
    failed = [job for job in status.jobs if job.state == FAILED]
    if status.damaged:
        lines += ["", "Damaged, each with its reason in damaged/NAME.reason.txt:"]
        lines += [f"  {name}" for name in status.damaged]
    if failed:
        lines += ["", "Failed, and tried again by the next start:"]
        for job in failed:
            lines += _HANGING.wrap(f"{job.job}: {job.error}")
    text = "\n".join(lines) + "\n"
    return text.encode(errors="backslashreplace").decode()  # an error may quote any file's name


def resume_lines(status: Status) -> list[str]:
    """Say what a start would continue, as the guide shows it."""
    if not status.recovery_available:
        return ["Nothing to continue: starting from the beginning"]
    started = status.with_state(STARTED, folds=False) + status.with_state(STARTED, folds=True)
    lines = [
        "✓ Previous training detected!",
        "✓ Loaded recovery state",
        f"✓ Completed: {counted(status.completed, 'backbone')}",
    ]
    lines += [f"✓ Resuming: {job.job} ({describe(job)})" for job in started]
    resuming = len(status.with_state(STARTED, folds=False))
    lines += [f"✓ Remaining: {counted(status.remaining - resuming, 'backbone')}"]
    folds = [job for job in status.jobs if job.fold is not None]
    if folds:
        done = len(status.with_state(COMPLETE, folds=True))
        lines += [f"✓ K-fold progress: {done} of {len(folds)} folds complete"]
    return lines


def training_lines(status: Status) -> list[str]:
    """Say who trains, how long still, and what a crash costs; nothing where nobody has looked."""
    lines = [f"Training:   {status.training}"] if status.training else []
    if status.time_left is not None and status.time_left > 0:
        lines += [f"Left:       about {duration(status.time_left)} of training"]
    return lines + saving_line(status)


def saving_line(status: Status) -> list[str]:
    """Say what saving costs, and what a crash now would; nothing where that is not known."""
    saving = status.saving
    if saving is None:
        return []
    lost = saving.would_lose
    at_risk = "" if lost is None else f"; a crash now loses {duration(lost)}"
    every = f"every {duration(saving.interval)}, {saving.share:.1%} of the time so far"
    return [f"Saving:     {every}{at_risk}"]


def duration(seconds: float) -> str:
    """Return a time as people say it: 2.4 s, 40 s, 2.7 min, 31 min, 3.3 h, 2.1 days."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 600:
        return f"{seconds / 60:.1f} min"
    if seconds < 6000:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172_800 else f"{seconds / 86_400:.1f} days"


def clock(seconds: float | None) -> str:
    """Return a time in hours, minutes and seconds; nothing where it is not known."""
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"


def counted(count: int, noun: str) -> str:
    """Return a number of things, such as 1 backbone or 2 backbones."""
    return f"1 {noun}" if count == 1 else f"{count} {noun}s"


def times(count: int) -> str:
    """Return how often: once, or 2 times."""
    return "once" if count == 1 else f"{count} times"


def no_run(directory: str) -> str:
    """Say that nothing is there yet."""
    return f"{directory}: no run is recorded here; `holdfast train` begins one"


def describe(job: JobStatus) -> str:
    """Say in a few words where a job stands."""
    if job.state == COMPLETE:
        accuracy = job.score("final_accuracy")
        changed = " *" if job.changed else ""
        return "complete" + (f", accuracy {accuracy:.4f}" if accuracy is not None else "") + changed
    if job.state == STARTED:
        of = f"/{job.epochs}" if job.epochs else ""
        if job.step:
            return f"{job.stage}, epoch {(job.epoch or 0) + 1}{of}, step {job.step}"
        return f"{job.stage}, epoch {job.epoch}{of}"
    return job.state


def job_line(job: JobStatus) -> str:
    """Return one line about a job, its state as a mark in front."""
    return f"{MARKS[job.state]} {job.job:<28} {describe(job)}"


def printable_text(text: str) -> str:
    """Return text from a file as a terminal may get it: what steers one becomes its code."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def marked(status: Status) -> bool:
    """Tell whether any result was made while settings or data changed."""
    return any(job.changed for job in status.jobs)


def human_bytes(count: float) -> str:
    """Return a size as people read it, in powers of 1000."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def _line(job: JobStatus) -> str:
    return f"  {job_line(job)}"
