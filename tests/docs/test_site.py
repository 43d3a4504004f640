"""The documentation site: it builds, its links lead somewhere, and it asks nobody else."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FETCHES = re.compile(
    r"<(?:link|script|img|iframe)\b[^>]*?(?:href|src)=[\"']?((?:https?:)?//[^\"' >]+)"
)


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
