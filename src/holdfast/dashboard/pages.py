"""The pages in the browser: what they have in common, and keeping the open ones up to date."""

import asyncio
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from importlib.resources import files

from nicegui import Client, ui
from starlette.responses import RedirectResponse, Response

from holdfast.dashboard.compare_page import compare_page
from holdfast.dashboard.job_page import chosen_job, job_page
from holdfast.dashboard.markup import Child, Markup, job_path, join, tag
from holdfast.dashboard.panels import troubles
from holdfast.dashboard.reading import Reading
from holdfast.dashboard.recovery_page import recovery_page
from holdfast.dashboard.region import Region
from holdfast.dashboard.series_page import COLUMNS, Order, series_page
from holdfast.dashboard.verifying import Verifier, Wanted
from holdfast.dashboard.watch import Watch
from holdfast.status import FileStatus

MOST_OPEN = 400
"""Pages open at a time; each costs memory here."""
_NAVIGATION = {"Series": "/", "Job": "/job", "Recovery": "/recovery", "Compare": "/compare"}
_TICK = 0.5
_MOST_KEPT = 100
_DAY = re.compile(r"(\d{4}-\d\d-\d\d)T")

Render = Callable[[], Markup]


@dataclass
class _Open:
    """A page that somebody has open."""

    region: Region
    render: Render


class Pages:
    """All pages of one run."""

    def __init__(self, watch: Watch, verifier: Verifier) -> None:
        self._watch, self._verifier = watch, verifier
        self._open: list[_Open] = []
        self._kept: dict[object, Markup] = {}
        self._kept_for: object = None

    def add(self) -> None:
        """Make them known to NiceGUI."""
        folder = files("holdfast.dashboard")
        style, script = (
            folder.joinpath(f"look.{kind}").read_text("utf-8") for kind in ("css", "js")
        )
        ui.add_head_html(f"<style>{style}</style><script>{script}</script>", shared=True)
        ui.page("/", title="Series · Holdfast")(self._series)
        ui.page("/job", title="Job · Holdfast")(self._any_job)
        ui.page("/job/{name:path}", title="Job · Holdfast")(self._job)
        ui.page("/recovery", title="Recovery · Holdfast")(self._recovery)
        ui.page("/compare", title="Compare · Holdfast")(self._compare)

    async def follow(self) -> None:
        """Look at the run while somebody looks at a page, and show what has changed."""
        shown = None
        while True:
            await asyncio.sleep(_TICK)
            self._open = [page for page in self._open if not page.region.is_deleted]
            if self._open and self._watch.is_due:
                await asyncio.to_thread(self._watch.look)
            newest = self._watch.version, self._verifier.count
            if newest != shown:
                shown = newest
                await self._show()

    @staticmethod
    def is_full() -> bool:
        """Tell whether no further page should be opened."""
        return len(Client.instances) >= MOST_OPEN

    async def _show(self) -> None:
        for page in list(self._open):
            if not page.region.is_deleted:
                page.region.show(page.render())
            await asyncio.sleep(0)  # others are served meanwhile

    async def _series(self) -> None:
        await self._be_current()
        order = Order()

        def render() -> Markup:
            return self._page("Series", order, lambda: series_page(self._reading, order))

        def act(asked: str) -> None:
            nonlocal order
            kind, _, value = asked.partition(":")
            if kind == "sort" and value in COLUMNS:
                order = order.asked(value)
            elif kind == "only":
                order = Order(order.column, order.downwards, value)
            region.show(render())

        region = self._opened("Series", render, act)

    async def _any_job(self) -> Response | None:
        await self._be_current()
        name = chosen_job(self._reading)
        if name is not None:
            return RedirectResponse(job_path(name), 307)
        self._opened(
            "Job", lambda: self._page("Job", None, lambda: job_page(self._reading, "", None))
        )
        return None

    async def _job(self, name: str, client: Client) -> None:
        await self._be_current()
        if name in self._reading.jobs:
            client.title = f"{name} · Holdfast"
        else:
            client.status_code = 404
        said = None if self._watch.is_remote else self._said

        def render() -> Markup:
            self._want(name)
            return self._page("Job", name, lambda: job_page(self._reading, name, said))

        self._opened("Job", render)

    async def _recovery(self) -> None:
        await self._be_current()

        def render() -> Markup:
            return self._page(
                "Recovery", None, lambda: recovery_page(self._reading, self._found_damaged())
            )

        self._opened("Recovery", render)

    async def _compare(self) -> None:
        await self._be_current()
        self._opened(
            "Compare", lambda: self._page("Compare", None, lambda: compare_page(self._reading))
        )

    @property
    def _reading(self) -> Reading:
        return self._watch.reading

    async def _be_current(self) -> None:
        if self._watch.is_due:
            await asyncio.to_thread(self._watch.look)

    def _opened(
        self, title: str, render: Render, act: Callable[[str], None] | None = None
    ) -> Region:
        Region(_header(title, self._reading))
        region = Region(render(), act)
        region.props["id"] = "content"
        self._open.append(_Open(region, render))
        return region

    def _page(self, title: str, what: object, body: Render) -> Markup:
        """Return a page, made at most once a second for all who look at the same."""
        now = self._watch.version, self._verifier.count, int(time.monotonic())
        if now != self._kept_for or len(self._kept) > _MOST_KEPT:
            self._kept, self._kept_for = {}, now
        if (title, what) not in self._kept:
            alarm = troubles(self._reading, self._watch.trouble)
            head = None if title == "Job" else _heading(title, self._reading)
            parts = [alarm, head, body(), _footer(self._reading)]
            self._kept[title, what] = join([tag("div", parts, class_="page")])
        return self._kept[title, what]

    def _want(self, name: str) -> None:
        """Have a job's files verified, the newest first."""
        if self._watch.is_remote:
            return
        reading = self._reading
        files = reading.files_of.get(name, [])
        stamped = [(file, reading.stamps.get(file.name)) for file in files]
        self._verifier.ask(
            Wanted(file.path, stamp, reading.run_id) for file, stamp in stamped if stamp
        )

    def _said(self, file: FileStatus) -> str | None:
        stamp = self._reading.stamps.get(file.name)
        return self._verifier.said(file.path, stamp) if stamp else None

    def _found_damaged(self) -> list[tuple[str, str]]:
        if self._watch.is_remote:
            return []
        judged = ((file.name, self._said(file)) for file in self._reading.files)
        return [(name, fault) for name, fault in judged if fault]


def _header(current: str, reading: Reading) -> Markup:
    links = (
        tag("a", title, href=path, aria_current="page" if title == current else None)
        for title, path in _NAVIGATION.items()
    )
    switch = tag(
        "button", "Theme: ", tag("span", "system"), type="button", data_theme_switch=True,
        class_="switch",
    )  # fmt: skip
    bar: Child = [
        tag("a", "Skip to the content", href="#content", class_="skip"),
        tag("span", _MARK, "Holdfast", class_="brand"),
        tag("nav", links, aria_label="Pages"),
        tag("span", reading.status.directory, class_="run", title=reading.status.directory),
        switch,
    ]
    return tag("header", tag("div", bar), class_="top")


def _heading(title: str, reading: Reading) -> Markup:
    trains = reading.status.training
    who = "in training by " + _DAY.sub(r"\1 ", trains) if trains else "nobody trains now"
    sign = tag("span", tag("i"), who, class_="live" if trains else "live still")
    return tag("div", tag("h1", title), sign, class_="heading")


def _footer(reading: Reading) -> Markup:
    read = f"As the run's files stood at {reading.time:%Y-%m-%d %H:%M:%S}. "
    return tag("footer", read, f"Holdfast {version('holdfast')}")


_MARK = Markup(
    '<svg viewBox="0 0 24 24" width="22" height="22" aria-hidden="true" class="mark">'
    '<path d="M12 2v11M12 13c0 4-5 3-7 9M12 13c0 4 5 3 7 9M12 13v9M12 6c3 0 4-2 4-4'
    'M12 9.500c-3 0-4-2-4-4"/></svg>'
)
