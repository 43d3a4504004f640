"""Serving the pages until somebody asks for an end."""

import asyncio
import importlib.util
import os
import signal
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING

from holdfast.dashboard.binding import Bound, bind
from holdfast.dashboard.verifying import Verifier
from holdfast.dashboard.watch import Watch
from holdfast.errors import STOP_SIGNALS, UsageError

if TYPE_CHECKING:
    import uvicorn

_MOST_CONNECTIONS = 2000
_LONGEST_MESSAGE = 2**16  # bytes that a page sends; it only says which button was pressed
_PATIENCE = 2  # seconds that open pages get when the server ends


def serve(
    where: str,
    host: str,
    port: int,
    token: str | None,
    allowed: Sequence[str],
    announce: Callable[[str, str], None],
) -> int:
    """Serve the pages of a run; return the number of the signal that ended it.

    ``announce`` is told the run's name and the URL to open, when it can be opened.

    Raises:
        UsageError: the address cannot be listened on, or NiceGUI is missing.
        HoldfastError, OSError: the run cannot be read.
    """
    if importlib.util.find_spec("nicegui") is None:
        raise UsageError("holdfast serve needs NiceGUI: pip install 'holdfast[dashboard]'")
    watch = Watch(where)
    bound = bind(host, port, token, allowed)
    verifier = Verifier()
    try:
        with bound.socket, tempfile.TemporaryDirectory(prefix="holdfast-serve-") as place:
            os.environ["NICEGUI_STORAGE_PATH"] = place  # it would use the current directory
            return _run(watch, verifier, bound, announce)
    finally:
        verifier.stop()


def _run(
    watch: Watch, verifier: Verifier, bound: Bound, announce: Callable[[str, str], None]
) -> int:
    import uvicorn

    from holdfast.dashboard.application import application
    from holdfast.dashboard.pages import Pages

    pages = Pages(watch, verifier)
    config = uvicorn.Config(
        application(pages, bound),
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=_MOST_CONNECTIONS,
        ws_max_size=_LONGEST_MESSAGE,
        timeout_graceful_shutdown=_PATIENCE,
    )
    server = _server(config)
    with _noting(server) as signals:
        announce(watch.reading.status.directory, bound.url)
        asyncio.run(_serve(server, bound, pages.follow))
    return signals[0] if signals else 0


async def _serve(server: "uvicorn.Server", bound: Bound, follow: Callable[[], object]) -> None:
    following = asyncio.ensure_future(follow())  # type: ignore[call-overload]

    def end(_: object) -> None:
        server.should_exit = True

    following.add_done_callback(end)  # it ends by a fault only, which is told below
    await server.serve(sockets=[bound.socket])
    following.cancel()
    with suppress(asyncio.CancelledError):
        await following


def _server(config: "uvicorn.Config") -> "uvicorn.Server":
    import uvicorn

    class Server(uvicorn.Server):
        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            """Leave the signals to `_noting`: uvicorn would raise them again in the end."""
            yield

    return Server(config)


@contextmanager
def _noting(server: "uvicorn.Server") -> Iterator[list[int]]:
    """End the server where a signal asks for it; that takes no longer than its patience."""
    noted: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        server.should_exit = True
        noted.append(number)

    numbers = [getattr(signal, name) for name in STOP_SIGNALS if hasattr(signal, name)]
    before = {number: signal.signal(number, note) for number in numbers}
    try:
        yield noted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
