"""The pages in a real browser: live, by mouse and by keyboard, on a phone, in both themes."""

import os
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.cli.changing_run import DONE, IN_TRAINING, KILLED_AT, ChangingRun
from tests.dashboard.hostile_run import hostile
from tests.dashboard.many_classes import JOB, many_classes
from tests.dashboard.served import Served, served

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
AXE = Path(sys.prefix) / "axe-core" / "axe.min.js"
PATIENCE = 120_000  # milliseconds; a busy machine is slow
PAGES = {"Series": "", "Job": f"job/{IN_TRAINING}", "Recovery": "recovery", "Compare": "compare"}
WIDE, PHONE = {"width": 1280, "height": 860}, {"width": 390, "height": 844}
THEMES = ("light", "dark")

pytestmark = pytest.mark.skipif(
    not Path(CHROMIUM).exists(), reason="no chromium here (make browser; apt-get install chromium)"
)
needs_axe = pytest.mark.skipif(not AXE.exists(), reason="no axe-core here (make browser)")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def looking(browser: Browser, server: Served, path: str = "", **options: Any) -> Iterator[Page]:
    """Open a page; it must ask no other host, and have nothing to complain of."""
    complaints: list[str] = []
    context = browser.new_context(**{"viewport": WIDE, **options})
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    ours = urlsplit(server.url).netloc

    def asked(url: str) -> None:
        if urlsplit(url).scheme not in ("data", "blob") and urlsplit(url).netloc != ours:
            complaints.append(f"asked {url}")

    page.on("request", lambda request: asked(request.url))
    page.on("websocket", lambda socket: asked(socket.url))
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: complaints.append(f"a dialog: {dialog.message}"))
    page.goto(server.url + path)
    page.wait_for_selector(".page")
    page.wait_for_function("window.did_handshake === true")
    try:
        yield page
    finally:
        context.close()
    assert complaints == []


def names(page: Page) -> list[str]:
    return page.locator("table.jobs tbody th").all_inner_texts()


def test_each_page_is_reached_by_the_navigation(browser: Browser, server: Served) -> None:
    """By clicks alone: the bar, the table's names, the next job; each is marked as where one is."""
    with looking(browser, server) as page:
        for title in ("Job", "Recovery", "Compare", "Series"):
            page.get_by_role("navigation", name="Pages").get_by_role("link", name=title).click()
            current = page.locator("nav[aria-label=Pages] [aria-current=page]")
            expect(current).to_have_text(title)
            expect(page).to_have_title(f"{title if title != 'Job' else IN_TRAINING} · Holdfast")
        page.get_by_role("link", name=DONE).click()
        expect(page.get_by_role("heading", level=1)).to_have_text(DONE)
        page.get_by_role("link", name="next").click()
        expect(page.get_by_role("heading", level=1)).to_have_text(IN_TRAINING)
        page.get_by_text("all jobs").click()
        page.locator(".every").get_by_role("link", name=DONE).click()
        expect(page.get_by_role("heading", level=1)).to_have_text(DONE)


def test_a_training_is_followed_without_a_reload(
    browser: Browser, begun: ChangingRun, tmp_path: Path
) -> None:
    """What a child trains meanwhile appears: its state, its epochs, its files, its result."""
    run = begun.copied("followed")
    with served(run.directory) as server, looking(browser, server) as page:
        row = page.locator(f"tr[data-key={IN_TRAINING}]")
        expect(row).to_contain_text("begun")
        expect(page.get_by_text("nobody trains now")).to_be_visible()
        page.evaluate("window.loaded_once = true")
        with looking(browser, server, f"job/{IN_TRAINING}") as job:
            expect(job.get_by_text("Test accuracy")).to_have_count(0)
            child = run.paused(KILLED_AT)  # it would be over before anybody has looked
            expect(page.locator(".live")).to_contain_text(
                "in training by process", timeout=PATIENCE
            )
            os.kill(child.pid, signal.SIGCONT)
            expect(row).to_contain_text("complete", timeout=PATIENCE)
            expect(job.get_by_text("Test accuracy")).to_be_visible(timeout=PATIENCE)
            expect(job.locator("svg .stop")).not_to_have_count(0)  # it had been killed before
            files = job.locator("tr", has_text=f"{IN_TRAINING}_best.pth")
            expect(files).to_contain_text("good", timeout=PATIENCE)
        assert child.wait() == 0, child.output
        expect(page.locator(".live")).to_contain_text("nobody trains now", timeout=PATIENCE)
        assert page.evaluate("window.loaded_once")


def test_the_table_is_sorted_by_its_titles(browser: Browser, server: Served) -> None:
    """Once: one way, the best first where there is a best; again: the other; again: as trained."""
    with looking(browser, server) as page:
        as_trained = names(page)
        title = page.get_by_role("button", name="Backbone")
        head = page.get_by_role("columnheader", name="Backbone")
        for way, wanted in (
            ("ascending", sorted(as_trained)),
            ("descending", sorted(as_trained)[::-1]),
            (None, as_trained),
        ):
            title.click()
            if way is None:
                expect(head).not_to_have_attribute("aria-sort", "descending")
            else:
                expect(head).to_have_attribute("aria-sort", way)
            assert names(page) == wanted
        page.get_by_role("button", name="Accuracy").click()
        expect(page.locator("th[aria-sort=descending]")).to_contain_text("Accuracy")
        page.get_by_role("searchbox").fill("regnet")
        expect(page.locator("table.jobs tbody tr")).to_have_count(1)
        page.get_by_role("searchbox").fill("<b>no such</b>")
        expect(page.get_by_text("No job has this name or state.")).to_be_visible()


def test_everything_can_be_done_by_keyboard(browser: Browser, server: Served) -> None:
    """Each thing to press is reached, is seen to be, and keeps the focus when it was pressed."""
    with looking(browser, server) as page:
        reached = []
        for _ in range(16):
            page.keyboard.press("Tab")
            reached.append(page.evaluate("document.activeElement.innerText"))
            outline = "getComputedStyle(document.activeElement).outlineStyle"
            assert page.evaluate(outline) != "none"
        assert reached[0] == "Skip to the content"
        assert reached[1:6] == ["Series", "Job", "Recovery", "Compare", "Theme: system"]
        assert DONE in reached
        button = page.get_by_role("button", name="Accuracy")
        button.focus()
        page.keyboard.press("Enter")
        expect(page.locator("th[aria-sort=descending]")).to_contain_text("Accuracy")
        expect(button).to_be_focused()
        page.get_by_role("link", name=DONE).focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text(DONE)
        page.get_by_text("The same as a table").focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("table", name="Every epoch")).to_be_visible()


def test_the_theme_is_the_systems_until_another_is_chosen(browser: Browser, server: Served) -> None:
    """The switch goes through all three, and the choice holds for the next page."""
    ground = "getComputedStyle(document.body).backgroundColor"
    with looking(browser, server, color_scheme="dark") as page:
        dark = page.evaluate(ground)
        page.emulate_media(color_scheme="light")
        light = page.evaluate(ground)
        assert light != dark
        switch = page.get_by_role("button", name="Theme")
        for name, seen in (("light", light), ("dark", dark)):
            switch.click()
            expect(switch).to_have_text(f"Theme: {name}")
            assert page.evaluate(ground) == seen
        page.goto(server.url + "compare")
        expect(page.get_by_role("button", name="Theme")).to_have_text("Theme: dark")
        assert page.evaluate(ground) == dark


@pytest.mark.parametrize("theme", THEMES)
def test_a_phone_shows_every_page_without_scrolling_sideways(
    browser: Browser, server: Served, theme: str
) -> None:
    """At 390 px each page is as broad as the screen, and its text is not cut off."""
    for path in PAGES.values():
        with looking(browser, server, path, viewport=PHONE, color_scheme=theme) as page:
            assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
            outside = "[...document.querySelectorAll('h1,h2,dd,.top a')].filter(e => "
            outside += "e.getBoundingClientRect().right > innerWidth && !e.matches('.skip'))"
            assert page.evaluate(f"{outside}.length") == 0
            files = page.get_by_role("region", name="Files of this job")
            for table in files.all():
                assert table.evaluate("e => e.scrollWidth - e.clientWidth") == 0


def test_a_confusion_matrix_shows_its_classes(browser: Browser, tmp_path: Path) -> None:
    """All 13 columns of numbers with three digits are seen at 1280 px, and most at 390 px."""
    seen = "e => [...e.querySelectorAll('thead th')].filter(head => "
    seen += "head.getBoundingClientRect().right <= e.getBoundingClientRect().right).length"
    with served(many_classes(tmp_path, 13)) as server:
        for viewport, least in ((WIDE, 13), (PHONE, 7)):
            with looking(browser, server, f"job/{JOB}", viewport=viewport) as page:
                matrix = page.get_by_role("region", name="Confusion matrix")
                assert matrix.evaluate(seen) >= least


def test_what_goes_on_beyond_the_edge_says_so(browser: Browser, tmp_path: Path) -> None:
    """A table that is too broad fades out at the edge until it is scrolled, by keys too."""
    fading = "e => getComputedStyle(e).getPropertyValue('--beyond')"
    with (
        served(many_classes(tmp_path, 40)) as server,
        looking(browser, server, f"job/{JOB}", viewport=PHONE) as page,
    ):
        region = page.get_by_role("region", name="Confusion matrix")
        assert region.evaluate(fading) == "40px"
        region.focus()
        page.keyboard.press("ArrowRight")
        page.wait_for_function("document.activeElement.scrollLeft > 0")
        region.evaluate("e => e.scrollTo(e.scrollWidth, 0)")
        page.wait_for_function(f"({fading})(document.activeElement) === '0px'")
        expect(region.get_by_role("rowheader").first).to_be_in_viewport(ratio=1)


@needs_axe
@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("viewport", [WIDE, PHONE], ids=["wide", "phone"])
def test_no_page_shuts_anybody_out(
    browser: Browser, server: Served, theme: str, viewport: dict[str, int], tmp_path: Path
) -> None:
    """axe-core finds nothing serious or critical: contrast, names, roles, structure.

    What it has seen stays as a picture of each page in the test's folder.
    """
    for title, path in PAGES.items():
        with looking(browser, server, path, viewport=viewport, color_scheme=theme) as page:
            page.screenshot(path=tmp_path / f"{title}.png", full_page=True)
            page.evaluate(AXE.read_text())
            found = page.evaluate("axe.run().then(found => found.violations)")
            grave = {
                rule["id"]: [node["html"] for node in rule["nodes"]][:5]
                for rule in found
                if rule["impact"] in ("serious", "critical")
            }
            assert grave == {}, path


def test_every_picture_says_what_it_shows(browser: Browser, server: Served) -> None:
    """Whoever sees no picture gets a text, and a table with all of it."""
    for path in (PAGES["Job"], PAGES["Recovery"], PAGES["Compare"]):
        with looking(browser, server, path) as page:
            pictures = page.locator(".page [role=img]").all()
            assert pictures
            assert all(len(one.get_attribute("aria-label") or "") > 20 for one in pictures)
            assert page.locator("table").count()


def test_a_browser_runs_nothing_that_files_say(browser: Browser, tmp_path: Path) -> None:
    """Markup in names, classes, errors and reasons stays text, also where it comes later."""
    run = hostile(tmp_path)
    with served(run) as server:
        for path in ("", "job/a", "job/b", "job/c", "recovery", "compare"):
            with looking(browser, server, path) as page:
                assert page.locator(".page img, .page script").count() == 0
                if path == "job/c":
                    expect(page.locator(".error")).to_contain_text("<script>alert(1)</script>")


def test_a_token_opens_the_pages_once_and_leaves_the_address(
    browser: Browser, finished: Path
) -> None:
    """The printed URL leads in; after it neither the address bar nor a script knows the token."""
    token = "correct-horse-battery"
    with served(finished, "--token", token) as server, browser.new_context() as context:
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.goto(server.url)
        page.wait_for_function("window.did_handshake === true")
        assert token not in page.url
        assert page.evaluate("document.cookie") == ""
        page.get_by_role("link", name="Compare").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Compare")
