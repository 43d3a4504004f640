"""MLflow: one of its runs for each job, found again by its tags and continued."""

import hashlib
import math
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from mlflow.entities import Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from holdfast.tracking.follower import AwayError
from holdfast.tracking.job_log import COMPLETE, FAILED, RUNNING, STOPPED, JobLog

RUN_ID, JOB, DIGEST = "holdfast.run_id", "holdfast.job", "holdfast.digest"
ERROR, SUPERSEDED = "holdfast.error", "holdfast.superseded_by"
_STATUS = {RUNNING: "RUNNING", COMPLETE: "FINISHED", FAILED: "FAILED", STOPPED: "KILLED"}
_AT_ONCE = 500  # metrics of one request; the server takes a thousand
_LONGEST_TAG = 4000
_ENVIRONMENT = {  # unless they are set: this thread tries again by itself, and prints by itself
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
_CAUSES = ("Connection refused", "timed out", "Failed to resolve")

Points = dict[tuple[str, int], float]


class MlflowRuns:
    """The runs of MLflow that are the jobs of this run, in one experiment.

    What MLflow has of a job must be part of what the journal has, the settings too. Where it is
    not, the job was trained anew: that is a new run of MLflow's, and the old one says so in a tag.
    """

    def __init__(self, uri: str, experiment: str, tags: dict[str, str]) -> None:
        for name, value in _ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        self.name = f"mlflow ({_without_secret(uri)})"
        self._experiment, self._tags = experiment, tags
        self._client = MlflowClient(uri)
        self._experiment_id = ""
        self._runs: dict[str, list[Run]] | None = None
        self._known: dict[str, Points] = {}
        self._status: dict[str, str] = {}

    def bring(self, log: JobLog) -> None:
        """Let the run of a job say what the log says.

        Raises:
            AwayError: MLflow does not answer, or refuses.
        """
        try:
            with _faults():
                self._bring(log)
        except AwayError:
            self._runs, self._known, self._status = None, {}, {}  # it may have been done
            raise

    def keep_only(self, jobs: set[str]) -> None:
        """Leave what others may have compared with; see `Tracker`."""

    def _bring(self, log: JobLog) -> None:
        wanted = _points(log)
        digest = _digest(log, wanted)
        run = self._run_of(log, wanted, digest)
        if run.data.tags.get(DIGEST) == digest:
            return
        mlflow_id = run.info.run_id
        known = self._known[mlflow_id]
        times = {epoch.step: epoch.time for epoch in log.epochs}
        missing = [
            Metric(key, value, int(1000 * times.get(step, log.ended)), step)
            for (key, step), value in wanted.items()
            if (key, step) not in known
        ]
        for first in range(0, len(missing), _AT_ONCE):
            self._client.log_batch(mlflow_id, metrics=missing[first : first + _AT_ONCE])
        self._set_status(mlflow_id, log)
        ended = {DIGEST: digest} if log.state in (COMPLETE, FAILED) else {}
        self._set_tags(run, {**_words(log), **ended})
        if ERROR in run.data.tags and "error" not in log.tags:
            self._client.delete_tag(mlflow_id, ERROR)
            del run.data.tags[ERROR]
        self._known[mlflow_id] = wanted

    def _run_of(self, log: JobLog, wanted: Points, digest: str) -> Run:
        """Return the run that goes on with a job, or a new one."""
        mine = self._found(log.run_id).setdefault(log.job, [])
        current = next((run for run in mine if SUPERSEDED not in run.data.tags), None)
        if current is not None and self._is_part(current, log, wanted, digest):
            return current
        new = self._begin(log, len(mine))
        for old in mine:
            if SUPERSEDED not in old.data.tags:
                self._set_tags(old, {SUPERSEDED: new.info.run_id})
        mine.insert(0, new)
        return new

    def _is_part(self, run: Run, log: JobLog, wanted: Points, digest: str) -> bool:
        """Tell whether all that MLflow has of a run is what the log has; bring its settings."""
        if run.data.tags.get(DIGEST) == digest:
            return True
        mlflow_id, params = run.info.run_id, _params(log)
        if any(params.get(key) != value for key, value in run.data.params.items()):
            return False
        if mlflow_id not in self._known:
            self._known[mlflow_id] = self._points_of(run)
        has = self._known[mlflow_id]
        if not all(key in wanted and _is_same(wanted[key], value) for key, value in has.items()):
            return False
        if missing := [Param(k, v) for k, v in params.items() if k not in run.data.params]:
            self._client.log_batch(mlflow_id, params=missing)
            run.data.params.update({param.key: param.value for param in missing})
        return True

    def _points_of(self, run: Run) -> Points:
        found: Points = {}
        for key in run.data.metrics:
            for metric in self._client.get_metric_history(run.info.run_id, key):
                found[key, metric.step] = metric.value
        return found

    def _begin(self, log: JobLog, earlier: int) -> Run:
        name = f"{log.job} (trained anew, {earlier + 1})" if earlier else log.job
        tags = {**self._tags, RUN_ID: log.run_id, JOB: log.job}
        params = [Param(key, value) for key, value in _params(log).items()]
        run = self._client.create_run(
            self._experiment_id, start_time=int(1000 * log.began), tags=tags, run_name=name
        )
        self._client.log_batch(run.info.run_id, params=params)
        run.data.params.update({param.key: param.value for param in params})
        self._known[run.info.run_id] = {}
        return run

    def _found(self, run_id: str) -> dict[str, list[Run]]:
        """Return what MLflow has of this run, by job, the newest first."""
        if self._runs is None:
            known = self._client.get_experiment_by_name(self._experiment)
            if known is None:
                self._experiment_id = self._client.create_experiment(self._experiment)
            else:
                self._experiment_id = known.experiment_id
            found: dict[str, list[Run]] = {}
            for run in self._search(run_id):
                found.setdefault(run.data.tags.get(JOB, ""), []).append(run)
            self._runs = found
        return self._runs

    def _search(self, run_id: str) -> Iterator[Run]:
        """Yield each run of ours, in whatever experiment: the images may have moved since."""
        experiments = [e.experiment_id for e in self._client.search_experiments()]
        token: str | None = None
        while token != "":
            page = self._client.search_runs(
                experiments,
                f"tags.\"{RUN_ID}\" = '{run_id}'",
                order_by=["attributes.start_time DESC"],
                page_token=token,
            )
            yield from page
            token = page.token or ""

    def _set_status(self, mlflow_id: str, log: JobLog) -> None:
        status = _STATUS[log.state]
        if self._status.get(mlflow_id) == status:
            return
        if log.state == RUNNING:
            self._client.update_run(mlflow_id, status=status)
        else:
            ended = int(1000 * log.ended) if log.ended else None
            self._client.set_terminated(mlflow_id, status, ended)
        self._status[mlflow_id] = status

    def _set_tags(self, run: Run, tags: dict[str, str]) -> None:
        new = {key: value for key, value in tags.items() if run.data.tags.get(key) != value}
        if new:
            said = [RunTag(key, value) for key, value in new.items()]
            self._client.log_batch(run.info.run_id, tags=said)
            run.data.tags.update(new)


def _points(log: JobLog) -> Points:
    points: Points = {}
    for epoch in log.epochs:
        points |= {(name, epoch.step): value for name, value in epoch.values.items()}
    if log.state == COMPLETE:
        named = {_test_name(name): value for name, value in log.result.items()}
        points |= {(name, log.step): value for name, value in named.items()}
    return points


def _test_name(name: str) -> str:
    return name if name == "training_seconds" else f"test_{name}"


def _params(log: JobLog) -> dict[str, str]:
    return {key: str(value) for key, value in log.params.items()}


def _words(log: JobLog) -> dict[str, str]:
    """Return what is told in tags; the interruptions there, since tags may grow."""
    notes = [f"epoch {note.step}: {note.text}" for note in log.notes if note.what == "interruption"]
    words = {f"holdfast.{name}": text for name, text in log.tags.items()}
    if notes:
        words["holdfast.interruptions"] = f"{len(notes)}: {'; '.join(notes)}"
    return {name: text[:_LONGEST_TAG] for name, text in words.items()}


def _digest(log: JobLog, points: Points) -> str:
    said = repr((log.state, sorted(points.items()), sorted(_params(log).items()), _words(log)))
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def _is_same(one: float, other: float) -> bool:
    """Compare what was written with what a server gives back, to whom infinity is very large."""
    most = sys.float_info.max
    if math.isnan(one) or math.isnan(other):
        return math.isnan(one) and math.isnan(other)
    return one == other or (math.isinf(one) and max(min(one, most), -most) == other)


@contextmanager
def _faults() -> Iterator[None]:
    try:
        yield
    except (MlflowException, OSError) as error:  # requests' own are OSErrors
        raise AwayError(_reason(error)) from error


def _reason(error: Exception) -> str:
    """Return why, in a few words: mlflow quotes three exceptions inside each other."""
    text = " ".join(str(error).split())
    if "failed with exception" in text or isinstance(error, OSError):
        cause = next((known for known in _CAUSES if known in text), None)
        return "it does not answer" + (f" ({cause})" if cause else "")
    return _without_secret(text[:200])


def _without_secret(text: str) -> str:
    """Return a text that may quote a URI, without the user and password in it."""
    return re.sub(r"://[^/@\s]*@", "://…@", text)
