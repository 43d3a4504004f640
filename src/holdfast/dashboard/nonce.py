"""Marking the scripts of a page as ours, so that no other one in it runs."""

import re

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_SCRIPT = re.compile(rb"<script\b")


async def with_nonce(app: ASGIApp, scope: Scope, receive: Receive, send: Send, nonce: str) -> None:
    """Let ``app`` answer, and give each script element of what it answers the ``nonce``.

    NiceGUI escapes every "<" of its elements' contents there: none of these is from a file.
    """
    start: Message = {}
    body = bytearray()

    async def sending(message: Message) -> None:
        nonlocal start
        if message["type"] == "http.response.start":
            start = message
            return
        body.extend(message.get("body", b""))
        if message.get("more_body"):
            return
        marked = _SCRIPT.sub(f'<script nonce="{nonce}"'.encode(), bytes(body))
        MutableHeaders(scope=start)["content-length"] = str(len(marked))
        await send(start)
        await send({"type": "http.response.body", "body": marked})

    await app(scope, receive, sending)
