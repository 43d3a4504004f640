"""Many at once: none is turned away, nothing of them stays, and too many are told so."""

import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.dashboard.served import PATIENCE, Served, client_of, served, shake_hands

CROWD = 200
ROUNDS = 3  # more pages than may be open at a time: what was closed must be gone


@contextmanager
def visit(server: Served) -> Iterator[None]:
    """Open a page as a browser does: its HTML, then its websocket, which stays."""
    end = time.monotonic() + PATIENCE
    while (answer := server.ask("/")).status == 503:  # those before are not forgotten yet
        assert time.monotonic() < end
        time.sleep(0.2)
    assert answer.status == 200, answer.text[:200]
    tab = f"tab-{client_of(answer.text)}"
    query = f"&implicit_handshake=true&client_id={client_of(answer.text)}&tab_id={tab}"
    with server.open_socket(f"{query}&document_id={tab}&next_message_id=0") as socket:
        shake_hands(socket)
        yield


def memory(server: Served) -> int:
    """Return what a server holds in memory, in kB."""
    file = Path(f"/proc/{server.process.pid}/status")
    if not file.exists():
        pytest.skip("this system does not say how much memory a process has")
    status = file.read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found
    return int(found[1])


def test_two_hundred_at_once_are_served_and_forgotten(finished: Path) -> None:
    """Again and again: all get in, and afterwards the server holds no more than before."""
    held = []
    with served(finished) as server, ThreadPoolExecutor(32) as pool:
        for _ in range(ROUNDS):
            with ExitStack() as stack:
                visits = [visit(server) for _ in range(CROWD)]
                for opened in pool.map(lambda one: (one, one.__enter__()), visits):
                    stack.push(opened[0].__exit__)
            held.append(memory(server))
    assert held[-1] < held[0] * 1.5


def test_too_many_pages_are_refused_with_a_word(finished: Path) -> None:
    """Pages that nobody looks at any more cost memory for a while; more than 400 are not begun."""
    with served(finished) as server:
        with ThreadPoolExecutor(32) as pool:
            answers = list(pool.map(lambda _: server.ask("/compare"), range(450)))
        refused = [answer for answer in answers if answer.status != 200]
        assert {answer.status for answer in refused} == {503}
        assert refused[0].headers["retry-after"] == "60"
        assert len(answers) - len(refused) >= 380
