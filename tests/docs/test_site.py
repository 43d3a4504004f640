"""The documentation site: it builds, its links lead somewhere, and it asks nobody else."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

ROOT = Path(__file__).parents[2]
FETCHES = re.compile(
    r"<(?:link|script|img|iframe)\b[^>]*?(?:href|src)=[\"']?((?:https?:)?//[^\"' >]+)"
)

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
PATIENCE = 120_000  # milliseconds; a busy machine is slow


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` builds it: a link that leads nowhere ends it."""
    pytest.importorskip("mkdocs")
    directory = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-W", "ignore", "-m", "mkdocs", "build", "--strict", "--quiet"]
    built = subprocess.run(
        [*command, "--site-dir", str(directory)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    return directory


@pytest.fixture
def page() -> Iterator[Page]:
    """A page of Debian's chromium, as broad as a small laptop."""
    if not Path(CHROMIUM).exists():
        pytest.skip("no chromium here (make browser; apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 860})
        page.set_default_timeout(PATIENCE)
        yield page
        browser.close()


def test_every_page_of_docs_is_in_the_site(site: Path) -> None:
    """No page is written that nobody finds."""
    pages = [path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md")]

    assert len(pages) > 15
    assert [page for page in pages if not (site / page).with_suffix(".html").exists()] == []


def test_site_asks_no_other_host(site: Path) -> None:
    """It opens without the internet: no font, script or picture is fetched from elsewhere."""
    fetched = {
        (page.name, address)
        for page in site.rglob("*.html")
        for address in FETCHES.findall(page.read_text(encoding="utf-8"))
    }

    assert fetched == set()


def test_api_is_described(site: Path) -> None:
    """The Python page has the signatures and docstrings of what it names."""
    page = (site / "api.html").read_text(encoding="utf-8")

    for name in ("open_run", "Run.job", "Job.step", "Stage.batches", "read_run", "load"):
        assert re.search(rf'id="holdfast\.[\w.]*{re.escape(name)}"', page), name


def test_search_works_from_the_disk(site: Path, page: Page) -> None:
    """Who opens a page without a server finds the others too, and nobody else is asked."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto((site / "how-to" / "disk-full.html").as_uri())
    page.get_by_placeholder("Search").click()
    page.keyboard.type("kaggle")

    found = page.locator(".md-search-result__link").first
    expect(found).to_contain_text("Train on Kaggle and Colab", timeout=PATIENCE)
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []


def test_commands_are_seen_whole(site: Path, page: Page) -> None:
    """A long command goes on in the next line, and no part of it is behind the edge."""
    cut = "codes => codes.filter(code => code.scrollWidth > code.clientWidth).map(c => c.innerText)"
    for name in ("tutorial", "dashboard", "tracking"):
        page.goto((site / f"{name}.html").as_uri())
        commands = page.locator(".language-sh code, .language-console code")
        assert commands.count()
        assert commands.evaluate_all(cut) == []
