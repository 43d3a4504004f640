"""Who may look: the checks that stand before every request, page, file and websocket alike.

- A name in the Host header that is not ours may be anybody's whose DNS leads here (rebinding).
- A websocket of another origin is another site's script; browsers send cookies along with it.
- Where others can reach the address, a token is asked for, and kept in a cookie after the first
  visit.
- What the pages do not use of NiceGUI, uploads for one, is not there.
"""

import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from holdfast.dashboard.nonce import with_nonce

PAGES = ("/", "/job", "/recovery", "/compare")
_ASSETS, _SOCKET = "/_nicegui/", "/_nicegui_ws/socket.io/"
_LONGEST_PATH = 2000
_CLOSED = 1008  # of a websocket: against the rules

_FIXED = {
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
_POLICY = (
    # NiceGUI's Vue compiles templates in the page (unsafe-eval), and styles its elements in place
    "default-src 'none'; script-src 'self' 'unsafe-eval'{nonce}; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self' data:; connect-src 'self'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)


@dataclass(frozen=True)
class Rules:
    """Who may look."""

    hosts: frozenset[str]
    """Names and addresses, in lower case, by which the server may be called."""
    token: str | None
    """What has to be shown; None where none is needed."""
    any_address: bool = False
    """Whether it listens on all addresses; then the one a request came in by is its name too."""
    is_full: Callable[[], bool] = lambda: False
    """Whether as many pages are open as memory should be spent on."""

    def knows(self, host: str, arrived_at: str) -> bool:
        """Tell whether a Host header, with or without a port, names this server."""
        name = _without_port(host).lower()
        return name in self.hosts or (self.any_address and name == arrived_at.lower() != "")


class Guard:
    """An ASGI application before another: what is not allowed never reaches that one."""

    def __init__(self, app: ASGIApp, rules: Rules) -> None:
        self._app, self._rules = app, rules
        self._pass = _derived(rules.token) if rules.token else ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or let the application answer."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        else:
            await self._app(scope, receive, send)  # its start and its end

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        nonce = secrets.token_urlsafe(16)
        guarded = _with_headers(send, nonce)
        answer = self._refusal(scope) or self._entry(scope)
        if answer is not None:
            await answer(scope, receive, guarded)
        elif _is_page(scope["path"]):
            await with_nonce(self._app, _plain(scope), receive, guarded, nonce)
        else:
            await self._app(scope, receive, guarded)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        good = (
            scope["path"] == _SOCKET
            and self._knows(scope)
            and _same_origin(headers)
            and self._has_pass(scope)
        )
        if good:
            await self._app(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": _CLOSED, "reason": "not allowed"})

    def _refusal(self, scope: Scope) -> Response | None:
        """Return why a request is not answered, whoever sends it; None where it may be."""
        path = scope["path"]
        if not self._knows(scope):
            return PlainTextResponse(
                "This server is not called that. Open it by the address that `holdfast serve` "
                "printed, or start it with --allow-host NAME.\n",
                421,
            )
        if scope["method"] not in ("GET", "HEAD"):
            return PlainTextResponse("These pages are only read.\n", 405, {"allow": "GET, HEAD"})
        if len(path) > _LONGEST_PATH or not (_is_page(path) or path.startswith(_ASSETS)):
            return PlainTextResponse("There is no such page.\n", 404)
        return None

    def _entry(self, scope: Scope) -> Response | None:
        """Ask for the token, take it, or turn away whom there is no room for."""
        query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        shown = query.pop("token", [""])[0]
        if self._rules.token and shown and hmac.compare_digest(_derived(shown), self._pass):
            return self._let_in(scope, urlencode(query, doseq=True))
        if not self._has_pass(scope):
            return PlainTextResponse(
                "A token is needed: open the URL, with ?token=…, that `holdfast serve` printed.\n",
                401,
            )
        if _is_page(scope["path"]) and self._rules.is_full():
            return PlainTextResponse(
                "Too many pages are open; try again in a minute.\n", 503, {"retry-after": "60"}
            )
        return None

    def _let_in(self, scope: Scope, query: str) -> Response:
        """Keep the pass in a cookie, and take the token out of the address bar."""
        path = scope["raw_path"].decode("ascii", "ignore").split("?")[0]
        answer = RedirectResponse("/" + path.lstrip("/") + (f"?{query}" if query else ""), 303)
        answer.set_cookie(
            _cookie(scope), self._pass, httponly=True, samesite="lax",
            secure=scope.get("scheme") == "https",
        )  # fmt: skip
        return answer

    def _knows(self, scope: Scope) -> bool:
        hosts = Headers(scope=scope).getlist("host")
        arrived_at = (scope.get("server") or ("",))[0] or ""
        return len(hosts) == 1 and self._rules.knows(hosts[0], arrived_at)

    def _has_pass(self, scope: Scope) -> bool:
        if not self._rules.token:
            return True
        try:
            cookies = SimpleCookie("; ".join(Headers(scope=scope).getlist("cookie")))
        except CookieError:
            return False
        morsel = cookies.get(_cookie(scope))
        return morsel is not None and hmac.compare_digest(
            morsel.value.encode(), self._pass.encode()
        )


def _is_page(path: str) -> bool:
    return path in PAGES or path.startswith("/job/")


def _derived(token: str) -> str:
    """Return what stands for a token in a cookie; a look at it does not give the token away."""
    return hashlib.sha256(b"holdfast serve\0" + token.encode(errors="replace")).hexdigest()


def _cookie(scope: Scope) -> str:
    """Name the cookie; a browser shares cookies among the ports of a host."""
    return f"holdfast_{(scope.get('server') or ('', 0))[1]}"


def _same_origin(headers: Headers) -> bool:
    """Tell whether a websocket is opened by one of our own pages; each browser says so."""
    scheme, _, origin = headers.get("origin", "").partition("://")
    return scheme in ("http", "https") and origin.lower() == headers.get("host", "").lower() != ""


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() else host


def _plain(scope: Scope) -> Scope:
    """Ask for a page uncompressed: its scripts are still to be marked as ours."""
    headers = [pair for pair in scope["headers"] if pair[0] != b"accept-encoding"]
    return {**scope, "headers": headers}


def _with_headers(send: Send, nonce: str) -> Send:
    policy = _POLICY.format(nonce=f" 'nonce-{nonce}'")

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _FIXED.items():
                headers[name] = value
            headers["content-security-policy"] = policy
        await send(message)

    return sending
