"""The ASGI application: NiceGUI with what the pages need of it, behind the guard."""

import logging

from fastapi import FastAPI
from nicegui import core, ui
from starlette.types import ASGIApp

from holdfast.dashboard.binding import Bound
from holdfast.dashboard.guard import Guard, Rules
from holdfast.dashboard.pages import Pages

_ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 24 24' fill='none' "
    "stroke='%23008060' stroke-width='2' stroke-linecap='round'%3E%3Cpath d='M12 2v11M12 13c0 4-5 "
    "3-7 9M12 13c0 4 5 3 7 9M12 13v9M12 6c3 0 4-2 4-4M12 9.500c-3 0-4-2-4-4'/%3E%3C/svg%3E"
)


def application(pages: Pages, bound: Bound) -> ASGIApp:
    """Return what a server serves."""
    logging.getLogger("nicegui").setLevel(logging.ERROR)
    pages.add()
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    ui.run_with(
        app,
        title="Holdfast",
        favicon=_ICON,
        dark=None,
        language="en-US",
        binding_refresh_interval=None,
        message_history_length=0,  # of whole pages; whoever missed one loads it again
        tailwind=False,
        show_welcome_message=False,
    )
    core.app.config.socket_io_js_transports = ["websocket"]  # the only way in for anything but GET
    rules = Rules(bound.hosts, bound.token, bound.any_address, pages.is_full)
    return Guard(app, rules)
