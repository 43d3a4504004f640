"""Who may look: Host, Origin, token, methods and paths, against a real server."""

import re
import socket
from pathlib import Path

import pytest

from tests.dashboard.served import PAGES, Served, served

TOKEN = "correct-horse-battery"
SOCKET = "/_nicegui_ws/socket.io/?EIO=4&transport=polling"


def an_asset(server: Served) -> str:
    """Return the address of a script that the pages use."""
    found = re.search(r'src="(/_nicegui/[^"]+/nicegui\.js)"', server.ask("/").text)
    assert found
    return found[1]


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "[::1]", "LOCALHOST"])
def test_loopback_names_are_served_at_any_port(server: Served, name: str) -> None:
    """A tunnel (ssh -L) changes the port; the name stays one of this machine's own."""
    assert server.ask("/", Host=f"{name}:9999").status == 200
    assert server.ask("/", Host=name).status == 200


@pytest.mark.parametrize(
    "name",
    ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "", "localhost.", "0.0.0.0"],
)
def test_other_hosts_are_refused_everywhere(server: Served, name: str) -> None:
    """Whoever lets a name of theirs lead here (DNS rebinding) reads nothing, nor by a websocket."""
    for path in (*PAGES, an_asset(server)):
        answer = server.ask(path, Host=name)
        assert answer.status in (400, 421)  # uvicorn itself refuses what is no name
        assert "Custom" not in answer.text
    assert server.socket_status(Host=name or "evil") in (400, 403)


def test_a_second_host_header_is_no_way_in(server: Served) -> None:
    """Two names at once are none."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as raw:
        raw.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n")
        assert raw.recv(100).split()[1] in (b"400", b"421")


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "http://127.0.0.1:1", "null", "", "https://127.0.0.1.evil.example",
     "file://", "http://127.0.0.1:{port}.evil.example", "http://evil.example@127.0.0.1:{port}"],
)  # fmt: skip
def test_a_websocket_of_another_origin_is_refused(server: Served, origin: str) -> None:
    """Another site's script, in a browser that can reach this server, gets no answer."""
    assert server.socket_status() == 101
    assert server.socket_status(Origin=origin.format(port=server.port)) == 403


def test_pages_are_only_read(server: Served) -> None:
    """Nothing takes uploads, nothing else is there, and no polling goes around the websocket."""
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
        for path in (*PAGES, SOCKET, "/_nicegui/client/x/upload/1"):
            assert server.ask(path, method).status == 405
    for path in (SOCKET, "/docs", "/openapi.json", "/_nicegui", "/static/x", "/favicon.ico"):
        assert server.ask(path).status == 404


@pytest.mark.parametrize(
    "name",
    ["../../etc/passwd", "..%2F..%2Fetc%2Fpasswd", "%2Fetc%2Fpasswd", "....//etc/passwd",
     "%3Cscript%3Ealert(1)%3C/script%3E", "x" * 1500, "%00", "%ff%fe", "a%0d%0ab"],
)  # fmt: skip
def test_a_job_that_is_not_known_is_no_file(server: Served, name: str) -> None:
    """What a request names is looked up among the jobs, and never leads to a file or to markup."""
    answer = server.ask(f"/job/{name}")
    assert answer.status == 404
    assert "root:x:" not in answer.text
    assert "<script>alert" not in answer.text


def test_paths_out_of_the_assets_lead_nowhere(server: Served) -> None:
    """The assets are NiceGUI's own files, and no others."""
    folder = an_asset(server).rpartition("/")[0]
    for way in ("../" * 12, "..%2f" * 12, "%2e%2e/" * 12, "//"):
        answer = server.ask(f"{folder}/{way}etc/passwd")
        assert answer.status in (400, 403, 404)
        assert "root:x:" not in answer.text


def test_every_answer_says_how_it_may_be_used(server: Served) -> None:
    """No framing, no sniffing, no referrer, no other origin's content, no script but ours."""
    for path in (*PAGES, an_asset(server), "/job/none", "/nothing"):
        headers = server.ask(path).headers
        assert headers["x-frame-options"] == "DENY"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "'unsafe-inline'" not in policy.split("script-src")[1].split(";")[0]
    first, second = (server.ask("/").headers["content-security-policy"] for _ in range(2))
    assert first != second  # a nonce is used once


def test_loopback_needs_no_token_unless_one_is_given(server: Served, finished: Path) -> None:
    """Other users of the machine are kept out only where that was asked for."""
    assert "?token=" not in server.url
    with served(finished, "--token", TOKEN) as guarded:
        assert guarded.url.endswith(f"/?token={TOKEN}")
        assert guarded.ask("/").status == 401


def test_where_others_can_reach_it_a_token_is_needed(finished: Path) -> None:
    """A random one is made and printed; without it there is no page, asset or websocket."""
    with served(finished, "--host", "0.0.0.0") as server:
        token = server.url.partition("?token=")[2]
        assert len(token) >= 32
        host = f"127.0.0.1:{server.port}"
        asset = "/_nicegui/3.18.0/static/nicegui.js"
        for path in (
            *PAGES,
            asset,
            "/?token=",
            "/?token=wrong",
            f"/?token={token}x",
            f"/?x={token}",
        ):
            answer = server.ask(path)
            assert (answer.status, "Custom" in answer.text) == (401, False)
        assert server.socket_status() == 403
        assert server.socket_status(Cookie=f"holdfast_{server.port}={token}") == 403

        entered = server.ask(f"/job?token={token}&x=1")
        cookie = entered.headers["set-cookie"]
        assert (entered.status, entered.headers["location"]) == (303, "/job?x=1")
        assert token not in cookie
        assert {"HttpOnly", "Path=/", "SameSite=lax"} <= set(cookie.split("; "))
        kept = cookie.partition(";")[0]
        for path in ("/", asset):
            assert server.ask(path, Cookie=kept).status == 200
        assert server.socket_status(Cookie=kept) == 101
        assert server.socket_status(Cookie=kept, Origin="http://evil.example") == 403
        assert server.ask("/", Cookie=kept, Host="evil.example").status == 421
        assert server.ask("/", Cookie=kept, Host=f"{socket.gethostname()}:1").status == 200
        assert server.ask("/", Cookie=kept, Host=host).status == 200


def test_the_way_in_leads_to_no_other_site(finished: Path) -> None:
    """A link with the right token cannot send a browser elsewhere."""
    with served(finished, "--token", TOKEN) as server:
        for path in ("//evil.example/", "/\\evil.example/", "//evil.example/job/x"):
            answer = server.ask(f"{path}?token={TOKEN}")
            assert not answer.headers.get("location", "/").startswith(("//", "/\\", "http"))


def test_a_further_name_can_be_allowed(finished: Path) -> None:
    """A proxy in front of it has a name of its own."""
    with served(finished, "--allow-host", "runs.example") as server:
        assert server.ask("/", Host="runs.example").status == 200
        assert server.socket_status(Host="runs.example", Origin="https://runs.example") == 101
        assert server.ask("/", Host="other.example").status == 421
