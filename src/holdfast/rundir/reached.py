"""How far each job has come by the journal, which tells when its checkpoints fall short of that."""

from collections.abc import Iterable

from holdfast.rundir.layout import JobName, Position
from holdfast.rundir.lines import Record


def in_training(journal: Iterable[Record]) -> list[JobName]:
    """Return the jobs that have begun and not ended, by a journal with or without its epochs."""
    known: dict[str, None] = {}
    for record in journal:
        if record["event"] in ("job_started", "job_resumed"):
            known[record["job"]] = None
        elif record["event"] == "job_completed":
            known.pop(record["job"], None)
    return [JobName.parse(job) for job in known]


def reached(journal: Iterable[Record]) -> dict[JobName, Position]:
    """Return the last epoch that is recorded of each job in training.

    A checkpoint is written before its record, and pruned only for a newer one: where no file is
    as far, some are lost.
    """
    known: dict[JobName, Position | None] = {}
    for record in journal:
        match record["event"]:
            case "job_started" | "job_resumed":
                known.setdefault(JobName.parse(record["job"]), None)
            case "job_completed":
                known.pop(JobName.parse(record["job"]), None)
            case "epoch" if (job := JobName.parse(record["job"])) in known:
                known[job] = Position(record["stage"], record["epoch"])
    return {job: position for job, position in known.items() if position}
