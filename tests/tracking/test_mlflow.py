"""MLflow, by its own server on loopback: killed, resumed, away and back."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest
from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from holdfast.errors import UsageError
from holdfast.tracking import following
from tests.tracking.journals import NET, WIDE, Training, points
from tests.tracking.storm import train_under_kills
from tests.tracking.test_follower import wait_for

pytestmark = pytest.mark.skipif(os.name == "nt", reason="forks and kills as POSIX has them")
WITHOUT_DATABASES = """
import sys
sys.modules["sqlalchemy"] = None  # as where only mlflow-skinny is installed
from holdfast.__main__ import main
main()
"""
SERVER = Path(__file__).with_name("mlflow_server.py")


@dataclass
class Server:
    """A server that can be killed, and started again at the same port."""

    home: Path
    port: int = 0
    process: "subprocess.Popen[str] | None" = None

    def start(self) -> None:
        """Start it; it answers when this returns."""
        given = [str(self.home / "mlflow.db"), str(self.home / "artifacts"), str(self.port)]
        with (self.home / "log.txt").open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(SERVER), *given], stdout=subprocess.PIPE, stderr=log, text=True
            )
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    def stop(self, number: int = signal.SIGKILL) -> None:
        """End it, by a signal."""
        assert self.process is not None and self.process.stdout is not None
        self.process.send_signal(number)
        self.process.wait(30)
        self.process.stdout.close()

    @property
    def uri(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def runs(self, job: str, run_id: str) -> list[Run]:
        """Return what MLflow has of a job, in the order in which it was made."""
        client = MlflowClient(self.uri)
        experiments = [e.experiment_id for e in client.search_experiments()]
        wanted = f"tags.`holdfast.run_id` = '{run_id}' and tags.`holdfast.job` = '{job}'"
        found = client.search_runs(experiments, wanted)
        return sorted(found, key=lambda run: len(run.info.run_name))

    def points(self, run: Run) -> list[tuple[tuple[str, int], float]]:
        """Return every single metric that a run of MLflow's has."""
        client = MlflowClient(self.uri)
        metrics = [
            m for k in run.data.metrics for m in client.get_metric_history(run.info.run_id, k)
        ]
        return sorted(((metric.key, metric.step), metric.value) for metric in metrics)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("mlflow"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def run_id(tmp_path: Path) -> str:
    """An id of this test's own, so that all share the server."""
    return tmp_path.name.ljust(32, "0")[-32:]


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def follow(
    server: Server, tmp_path: Path, told: list[str]
) -> Callable[[], AbstractContextManager[None]]:
    def followed() -> AbstractContextManager[None]:
        run, spec = tmp_path / "run", f"mlflow:{server.uri}"
        return following(run, [spec], str(run), "/photos/leaves/", told.append)

    return followed


Follow = Callable[[], AbstractContextManager[None]]
RESULT = {"test_accuracy": 0.75, "test_f1": 0.5, "test_loss": 0.25, "training_seconds": 4.5}


def expected(run: Path, job: str) -> list[tuple[tuple[str, int], float]]:
    """Return what the journal has, and the result at the last epoch's step."""
    results = {(name, 5): value for name, value in RESULT.items()}
    return sorted((points(run, job) | results).items())


def test_each_job_is_a_run_with_all_that_the_journal_has(
    tmp_path: Path, run_id: str, server: Server, told: list[str], follow: Follow
) -> None:
    """Metrics with steps, parameters, tags and status, in the experiment of the images' name."""
    run = tmp_path / "run"
    training = Training(run, run_id)
    with follow():
        training.whole(NET)
        training.begin(WIDE)
        training.epochs(WIDE, 1)
        training.journal.append("job_failed", job=WIDE, error="OSError: no card")
    (net,), (wide,) = server.runs(NET, run_id), server.runs(WIDE, run_id)
    client = MlflowClient(server.uri)
    assert client.get_experiment(net.info.experiment_id).name == "leaves"
    assert (net.info.run_name, net.info.status) == (NET, "FINISHED")
    assert server.points(net) == expected(run, NET)
    assert net.data.params["finetune.learning_rate"] == "0.001"
    assert net.data.params["fold"] == "none" and wide.data.params["fold"] == "2"
    assert net.data.tags["holdfast.directory"] == str(run)
    assert (wide.info.run_name, wide.info.status) == (WIDE, "FAILED")
    assert wide.data.tags["holdfast.error"] == "OSError: no card"
    assert told == []


def test_interrupted_job_is_killed_and_reopened(
    tmp_path: Path, run_id: str, server: Server, follow: Follow
) -> None:
    """Between two starts it is KILLED, then RUNNING again: the same run, no step twice."""
    run = tmp_path / "run"
    training = Training(run, run_id)
    with follow():
        training.begin(NET)
        training.epochs(NET, 1, 2, 3)
    (stopped,) = server.runs(NET, run_id)
    assert stopped.info.status == "KILLED"

    with follow():
        training.resume(NET, "finetune", 1, step=4)
        wait_for(lambda: server.runs(NET, run_id)[0].info.status == "RUNNING")
        training.epochs(NET, 4, 5)
        training.complete(NET)
    (net,) = server.runs(NET, run_id)
    assert (net.info.run_id, net.info.status) == (stopped.info.run_id, "FINISHED")
    assert server.points(net) == expected(run, NET)
    assert net.data.tags["holdfast.interruptions"] == (
        "1: epoch 3: died; went on from finetune epoch 2, step 4"
    )


def test_killed_followers_log_each_step_once(
    tmp_path: Path, run_id: str, server: Server, follow: Follow
) -> None:
    """Ten processes are killed while they send; MLflow has what the journal has, once."""
    struck = train_under_kills(tmp_path / "run", follow, 10, 0.6, run_id)

    assert struck == 10
    for job in (NET, WIDE):
        (found,) = server.runs(job, run_id)
        assert server.points(found) == expected(tmp_path / "run", job)
        assert found.info.status == "FINISHED"


@pytest.mark.parametrize("change", ["other settings", "other values"])
def test_job_trained_anew_is_a_new_run(
    change: str, tmp_path: Path, run_id: str, server: Server, follow: Follow
) -> None:
    """What was compared with before stays, and says what has taken its place."""
    run = tmp_path / "run"
    training = Training(run, run_id)
    training.whole(NET)
    with follow():
        pass
    training.journal.rewrite(lambda record: record.get("job") != NET)
    if change == "other settings":
        training.plan(head={"learning_rate": 0.5, "augment": True})
    training.begin(NET)
    training.epochs(NET, 1, 2, shift=0.5 if change == "other values" else 0.0)
    with follow():
        pass
    with follow():
        training.epochs(NET, 3)
    old, new = server.runs(NET, run_id)
    assert (old.info.status, new.info.status) == ("FINISHED", "KILLED")
    assert new.info.run_name == f"{NET} (trained anew, 2)"
    assert old.data.tags["holdfast.superseded_by"] == new.info.run_id
    assert server.points(new) == sorted(points(run, NET).items())


def test_server_that_dies_and_comes_back_misses_nothing(
    tmp_path: Path, run_id: str, server: Server, told: list[str], follow: Follow
) -> None:
    """Told once, tried again, caught up; nobody has waited for it."""
    run = tmp_path / "run"
    training = Training(run, run_id)
    with follow():
        training.begin(NET)
        training.epochs(NET, 1, 2)
        wait_for(lambda: bool(server.runs(NET, run_id)))
        server.stop()
        training.epochs(NET, 3, 4, 5)
        training.complete(NET)
        wait_for(lambda: bool(told))
        server.start()
        wait_for(lambda: len(told) > 1)
    assert len(told) == 2
    assert told[0].startswith(f"mlflow ({server.uri}): it does not answer")
    assert told[0].endswith("; training goes on, it is tried again")
    assert told[1] == f"mlflow ({server.uri}): has caught up"
    (net,) = server.runs(NET, run_id)
    assert server.points(net) == expected(run, NET)


def test_server_that_is_not_there_is_told_at_the_end(
    tmp_path: Path, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two lines, no password in either, and no exception."""
    monkeypatch.setenv("HOLDFAST_TRACK_PATIENCE", "1")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:SeCrEt@127.0.0.1:1")
    run = tmp_path / "run"
    Training(run).whole(NET)
    with following(run, ["mlflow"], str(run), None, told.append):
        pass
    assert len(told) == 2
    assert told[0].startswith("mlflow (http://…@127.0.0.1:1): it does not answer")
    assert "NOT up to date with 1 job" in told[1]
    assert "SeCrEt" not in "".join(told)


def test_database_without_the_whole_of_mlflow_is_one_line_with_the_cure(
    tmp_path: Path, digits_folder: Path
) -> None:
    """Exit code 2 before any training; what to install, and what else to name."""
    options = ["--data", str(digits_folder), "--track", "mlflow:sqlite:///mlflow.db"]
    child = subprocess.run(
        [sys.executable, "-c", WITHOUT_DATABASES, "train", "--size", "tiny", *options],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert child.returncode == 2, child.stdout + child.stderr
    assert child.stderr.splitlines()[-1] == (
        "holdfast: --track mlflow: the MLflow installed here cannot use a sqlite: URI; for a "
        "database, such as sqlite:///mlflow.db: pip install mlflow; for a server: "
        "mlflow:http://HOST:PORT"
    )


@pytest.mark.parametrize("uri", ["foo://x", "relative/dir"])
def test_uri_that_mlflow_refuses_is_one_line_of_whole_words(uri: str, tmp_path: Path) -> None:
    """Nothing is cut inside a word; a kind of URI that nobody knows has the cure as well."""
    with (
        pytest.raises(UsageError, match="--track mlflow: ") as told,
        following(tmp_path, [f"mlflow:{uri}"], "run", None, print),
    ):
        pass
    line = str(told.value)
    assert len(line.splitlines()) == 1
    assert len(line) < 300
    assert line.endswith((" …", "mlflow:http://HOST:PORT"))
