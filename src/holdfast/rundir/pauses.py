"""Where jobs went on, and how each had ended before that."""

from collections.abc import Iterable, Iterator

from holdfast.rundir.lines import Record

COMPLETED, INTERRUPTED = "job_completed", "job_interrupted"  # as the journal has them


def resumptions(journal: Iterable[Record]) -> Iterator[tuple[Record, str | None]]:
    """Yield each ``job_resumed`` with the event by which its job had ended; None where it had died.

    One that was complete is extended, by more epochs: nothing was interrupted.
    """
    ended: dict[str, str] = {}
    for record in journal:
        event = record["event"]
        if event == "job_resumed":
            yield record, ended.pop(record["job"], None)
        elif event == "job_started":
            ended.pop(record["job"], None)
        elif event in (COMPLETED, INTERRUPTED):
            ended[record["job"]] = event
