"""A part of a page that is written here as HTML and kept up to date in the browser."""

from collections.abc import Callable

from nicegui import ui
from nicegui.events import GenericEventArguments

from holdfast.dashboard.markup import Markup

_LONGEST = 200


class Region(ui.element, component="region.js"):
    """HTML whose changes are worked into what the browser shows; see ``region.js``."""

    def __init__(self, html: Markup, on_act: Callable[[str], None] | None = None) -> None:
        super().__init__()
        self._props["html"] = str(html)
        if on_act is not None:
            self.on("act", lambda event: _tell(on_act, event))

    def show(self, html: Markup) -> None:
        """Show this from now on; nothing is sent where it is the same."""
        if self._props["html"] != html:
            self._props["html"] = str(html)
            self.update()


def _tell(on_act: Callable[[str], None], event: GenericEventArguments) -> None:
    """Pass on what a button or a field says; a browser may say anything."""
    if isinstance(event.args, str):
        on_act(event.args[:_LONGEST])
