"""``holdfast serve``: the run in the browser."""

from collections.abc import Sequence
from pathlib import Path

from holdfast.cli.faults import check_directory, say
from holdfast.errors import EXIT_COMPLETE, Interrupted
from holdfast.storage.objects import is_url


def serve_run(where: str, host: str, port: int, token: str | None, allowed: Sequence[str]) -> int:
    """Serve the pages until a signal ends it; return the exit code.

    Raises:
        UsageError: there is no such directory, or nothing can listen there.
    """
    if not is_url(where):
        check_directory(Path(where))
    from holdfast.dashboard import serve

    ended_by = serve(where, host, port, token, allowed, _announce)
    say("Stopped serving; the run is as it was.")
    return Interrupted(ended_by).exit_code if ended_by else EXIT_COMPLETE


def _announce(name: str, url: str) -> None:
    say(f"Serving {name} at {url} (Ctrl-C ends it)", stderr=False)
