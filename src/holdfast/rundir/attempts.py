"""How often a job's process has died in a row without getting the job any further."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from holdfast.rundir.layout import JobName, Position
from holdfast.rundir.lines import Record

DEATHS = 3
"""After so many a job goes behind the others."""

_ENTERED = ("job_started", "job_resumed")
_ENDED = ("job_completed", "job_failed", "job_interrupted")


@dataclass
class _Attempt:
    boot_id: str
    position: Position
    deaths: int


def deaths(
    journal: Iterable[Record], newest: Mapping[JobName, Position], start: Position, boot: str
) -> dict[JobName, int]:
    """Count the deaths of each job on this boot since it last got further.

    An attempt that nothing ended has died, for only the directory's one writer asks. ``newest``
    is where each job's newest checkpoint stands, ``start`` where a job begins. A reboot clears
    the count: a power cut is nobody's fault.
    """
    attempts: dict[JobName, _Attempt] = {}
    for record in journal:
        if record["event"] in _ENDED:
            attempts.pop(JobName.parse(record["job"]), None)
        elif record["event"] in _ENTERED:
            job = JobName.parse(record["job"])
            entered = _Attempt(record.get("boot_id", ""), _position(record, start), 0)
            entered.deaths = _died(attempts.get(job), entered.position, entered.boot_id)
            attempts[job] = entered
    counts = {job: _died(a, newest.get(job, start), boot) for job, a in attempts.items()}
    return {job: count for job, count in counts.items() if count}


def _position(record: Record, start: Position) -> Position:
    if record["event"] == "job_started":
        return start
    return Position(record["stage"], record["epoch"], record["step"])


def _died(attempt: _Attempt | None, now: Position, boot: str) -> int:
    if attempt is None or attempt.boot_id != boot or attempt.position != now:
        return 0
    return attempt.deaths + 1
