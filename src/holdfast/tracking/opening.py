"""From the setting ``track`` to the tools that follow a run."""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from textwrap import shorten

from holdfast.errors import UsageError
from holdfast.rundir import EVENT_FILES, load_state
from holdfast.storage.objects import is_url, named
from holdfast.tracking.follower import Follower, OnNotice, Tracker
from holdfast.tracking.patience import TRACK, patience

_MLFLOW_URI = "MLFLOW_TRACKING_URI"
_OF_DATABASES = ("sqlalchemy", "alembic")  # the whole of MLflow brings them, its client does not
_LONGEST = 200


def check_tools(track: Sequence[str]) -> None:
    """Refuse a tool that cannot be used, before anything begins.

    Raises:
        UsageError: the extra that brings it is not installed, or something is said wrongly.
    """
    patience(TRACK)
    for name in track:
        kind = name.partition(":")[0]
        if find_spec(kind) is None:
            raise UsageError(f"--track {kind} needs {kind}: pip install 'holdfast[{kind}]'")
        if name == "mlflow" and not os.environ.get(_MLFLOW_URI):
            raise UsageError(
                f"--track mlflow: say where, as mlflow:http://HOST:PORT or in {_MLFLOW_URI}"
            )


@contextmanager
def following(
    directory: Path, track: Sequence[str], where: str, data: str | None, on_notice: OnNotice
) -> Iterator[None]:
    """While the block runs, keep the tools of ``track`` up to date with the run in ``directory``.

    ``where`` is how the run is called, ``data`` its images. Leaving the block waits for what is
    left, for a bounded time. Nothing that goes wrong with a tool is raised.
    """
    seconds = patience(TRACK)
    followers = [
        Follower(directory, _open(spec, directory, where, data), on_notice, seconds)
        for spec in track
    ]
    for follower in followers:
        follower.start()
    try:
        yield
    finally:
        for follower in followers:
            follower.stop()
        for follower in followers:
            follower.close()


def _open(spec: str, directory: Path, where: str, data: str | None) -> Tracker:
    kind, _, place = spec.partition(":")
    if kind == "tensorboard":
        from holdfast.tracking.event_files import EventFiles

        return EventFiles(_folder(place, directory, where))
    from holdfast.tracking.mlflow_runs import MlflowRuns

    uri = place or os.environ.get(_MLFLOW_URI, "")
    experiment = os.environ.get("MLFLOW_EXPERIMENT_NAME") or _experiment(data)
    try:
        return MlflowRuns(uri, experiment, {"holdfast.directory": named(where)})
    except Exception as error:  # MLflow lets through whatever its stores raise
        raise UsageError(f"--track mlflow: {_why_not(uri, error)}") from error


def _why_not(uri: str, error: Exception) -> str:
    """Say in one line why MLflow does not take a URI, and, where that is known, what helps."""
    text = " ".join(str(error).split())
    kind = uri.partition(":")[0]
    if "unsupported URI" in text or getattr(error, "name", None) in _OF_DATABASES:
        return (
            f"the MLflow installed here cannot use a {kind}: URI; for a database, such as "
            "sqlite:///mlflow.db: pip install mlflow; for a server: mlflow:http://HOST:PORT"
        )
    return f"this URI cannot be used: {shorten(text, _LONGEST, placeholder=' …')}"


def _folder(place: str, directory: Path, where: str) -> Path:
    """Return where the event files of a run go; several runs may share what a user names."""
    if not place and not is_url(where):
        return directory / EVENT_FILES
    state = load_state(directory)
    run = Path(named(where)).name
    return Path(place or EVENT_FILES) / f"{run}-{(state.run_id if state else '')[:8]}"


def _experiment(data: str | None) -> str:
    if data is None:
        return "digits"
    return re.split(r"[/\\]", data.rstrip("/\\"))[-1] or data
