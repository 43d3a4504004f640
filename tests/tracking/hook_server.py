"""A server on loopback that is told things over HTTP, as json:// of Apprise sends them."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SECRET = "SeCrEt-t0ken"


@dataclass
class Hook:
    """What was told, and where."""

    port: int
    told: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    refuses: int = 0
    """How many more requests are answered with an error."""

    @property
    def address(self) -> str:
        """Its address for Apprise, with a secret in it."""
        return f"json://127.0.0.1:{self.port}/{SECRET}"

    @property
    def titles(self) -> list[str]:
        """What happened, by the title of each message."""
        return [message["title"].split(" on ")[0] for message in self.told]


@contextmanager
def hook_server() -> Iterator[Hook]:
    """Serve while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            hook.refuses -= 1
            if hook.refuses >= 0:
                self.send_error(503)
                return
            hook.paths.append(self.path)
            hook.told.append(json.loads(body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        hook = Hook(server.server_port)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield hook
        finally:
            server.shutdown()
            thread.join()
