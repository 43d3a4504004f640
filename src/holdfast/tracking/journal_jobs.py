"""The jobs of a run, read off its journal as that grows."""

from pathlib import Path
from typing import Any

from holdfast.rundir import JOURNAL, Journal, Record, load_state, stamped
from holdfast.status import read_past
from holdfast.tracking.job_log import RUNNING, STOPPED, JobLog, job_log

Stamp = tuple[int, int, int]


class JournalJobs:
    """What the journal of a directory says of each job; takes no lock and writes nothing."""

    def __init__(self, directory: Path) -> None:
        self._directory, self._journal = directory, Journal(directory)
        self._seen: Stamp | None = None
        self._records: dict[str, list[Record]] = {}
        self._begun_as: dict[str, dict[str, Any]] = {}
        """The run's record when each job began; settings may have changed since."""
        self._run: dict[str, Any] = {}
        self._run_id = ""
        self._changed: set[str] = set()
        self._stopped = False

    @property
    def jobs(self) -> set[str]:
        """The names of all that have begun."""
        return set(self._records)

    def look(self) -> bool:
        """Read what is new; return whether there is anything.

        Raises:
            StorageError: the journal cannot be read.
        """
        stamp = self._stamp()
        if stamp == self._seen or stamp is None:
            return False
        news = self._appended(stamp)
        if news is None:
            self._load()
            # what was appended meanwhile may have been read: the next look reads all again
            self._seen = stamp if self._stamp() == stamp else None
        else:
            self._take(news)
            self._seen = stamp
        return bool(self._run_id)

    def changed(self) -> set[str]:
        """Return the jobs of which there is something new since this was last asked."""
        if not self._run_id:
            return set()
        changed, self._changed = self._changed, set()
        return changed

    def stop(self) -> set[str]:
        """Take note that nobody trains any more; return the jobs that were in training."""
        self.look()
        self._stopped = True
        ended = {"job_completed", "job_failed"}
        return {job for job, known in self._records.items() if known[-1]["event"] not in ended}

    def log(self, job: str) -> JobLog | None:
        """Return all that is known of a job; None where it is no job of the run any more."""
        records = self._records.get(job)
        if not records or not self._run_id:
            return None
        log = job_log(job, self._run_id, self._begun_as.get(job, self._run), records)
        if self._stopped and log.state == RUNNING:
            log.state = STOPPED
        return log

    def _appended(self, now: Stamp) -> list[Record] | None:
        """Return what was appended to the journal; None where that is not all that happened."""
        if self._seen is None or now[0] != self._seen[0] or now[1] <= self._seen[1]:
            return None
        found = self._journal.parse_from(self._seen[1], now[1], None)
        return None if found is None else found[0]

    def _load(self) -> None:
        self._records, self._begun_as, self._run, self._run_id = {}, {}, {}, ""
        records = self._journal.read()
        self._take(records)
        if not self._run_id or any(r["event"] == "state_kept" for r in records):
            self._fill_in(next((str(r["time"]) for r in records if "time" in r), ""))

    def _fill_in(self, when: str) -> None:
        """Take from the state files what a damaged journal has lost; it happened at ``when``."""
        state = load_state(self._directory)
        if state is None:
            return
        self._run, self._run_id = state.run, state.run_id
        lost = [job for job in state.results if not self._has_ended(str(job))]
        past = read_past(self._directory, {str(job): None for job in lost})
        for job in lost:
            curve = past.curves.get(str(job))
            rows = curve.rows if curve and str(job) not in self._records else []
            known = [stamped("epoch", job=str(job), **row) for row in rows]
            end = stamped("job_completed", job=str(job), result=state.results[job])
            self._take([{**record, "time": when} for record in [*known, end]])

    def _has_ended(self, job: str) -> bool:
        events = {record["event"] for record in self._records.get(job, [])}
        return "job_completed" in events

    def _take(self, records: list[Record]) -> None:
        for record in records:
            event, job = record["event"], record.get("job")
            if event == "run_identified":
                self._run_id = record["run_id"]
            elif event == "run_planned":
                self._run = record["run"]
            elif isinstance(job, str):
                if event == "job_started":
                    self._begun_as[job] = self._run
                self._records.setdefault(job, []).append(record)
                self._changed.add(job)

    def _stamp(self) -> Stamp | None:
        try:
            stat = (self._directory / JOURNAL).stat()
        except OSError:
            return None
        return stat.st_ino, stat.st_size, stat.st_mtime_ns
