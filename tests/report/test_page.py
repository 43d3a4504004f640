"""report.html: needs nothing but itself, and does nothing that a name in a file has smuggled in."""

import re

from holdfast.report.html import Markup, inline_svg, join, tag
from tests.report.conftest import CLASSES, DONE, SCRIPT, Page, Reported

ELSEWHERE = re.compile(r"(?i)\b(?:https?|ftp|file|javascript):|//\w")
LOADS = {"script", "link", "img", "iframe", "object", "embed", "base", "form", "video", "audio"}


def check_asks_nobody(page: Page) -> None:
    assert {name for name, _ in page.elements} & LOADS == set()
    for name, value in page.attributes():
        if name in ("src", "href", "xlink:href", "srcset", "action", "data"):
            assert value.startswith(("#", "data:image/png;base64,")), value
        assert not re.search(r"url\((?!#)", value)


def test_a_page_asks_no_host(finished: Reported) -> None:
    """No element that loads, no address but within the page; and the browser is told so too."""
    page = Page(finished.out / "report.html")

    check_asks_nobody(page)
    (policy,) = (
        attributes["content"]
        for name, attributes in page.elements
        if name == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    text = (finished.out / "report.html").read_text()
    style = text.partition("<style>")[2].partition("</style>")[0]
    assert not ELSEWHERE.search(style)
    assert "@import" not in style


def test_names_from_files_are_text(halfway: Reported) -> None:
    """Markup in a class, an error, a setting or a key is shown as it is written, and is nothing."""
    hostile = Page(halfway.out / "report.html")
    check_asks_nobody(hostile)
    assert [name for name, _ in hostile.attributes() if name.startswith("on")] == []
    assert SCRIPT in hostile.text
    assert CLASSES[1] in hostile.text
    assert CLASSES[2] in hostile.text


def test_controls_are_made_visible(halfway: Reported) -> None:
    """No NUL, escape or change of direction gets from a name into a file of the report."""
    for path in [path for path in halfway.out.rglob("*") if path.suffix in (".html", ".svg")]:
        text = path.read_text(encoding="utf-8")
        assert re.findall("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e]", text) == []


def test_every_figure_says_in_words_what_it_shows(finished: Reported) -> None:
    """Each has a text alternative that is its own, and every id of the page is one thing's."""
    page = Page(finished.out / "report.html")
    figures = [attributes for name, attributes in page.elements if name == "svg"]
    words = [attributes.get("aria-label") for attributes in figures]
    ids = [value for name, value in page.attributes() if name == "id"]

    assert len(figures) == len(list((finished.out / "figures").glob("*.svg")))
    assert all(attributes.get("role") == "img" for attributes in figures)
    assert all(words)
    assert len(set(words)) > len(words) / 2
    assert len(set(ids)) == len(ids)


def test_contents_lead_somewhere(finished: Reported) -> None:
    """Every link of the table of contents has its place on the page."""
    page = Page(finished.out / "report.html")
    ids = {value for name, value in page.attributes() if name == "id"}
    links = [attributes["href"] for name, attributes in page.elements if name == "a"]

    assert f"#backbone-{DONE}" not in links
    assert len(links) > 5
    assert {link[1:] for link in links if link} <= ids


def test_children_are_escaped_unless_they_are_markup() -> None:
    """One way from text to a page, and it escapes; attributes too."""
    assert tag("p", "<b>", class_='"x') == '<p class="&quot;x">&lt;b&gt;</p>'
    assert join([tag("br"), None, "a & b"], 3) == "<br>a &amp; b3"
    assert tag("p", Markup("<i>x</i>")) == "<p><i>x</i></p>"


def test_a_figure_in_the_page_keeps_its_text_and_loses_its_globals() -> None:
    """Ids get the figure's name, a style for the whole page goes, colours follow the page's."""
    svg = b"""<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"
      viewBox="0 0 100 50" width="100pt" height="50pt"><metadata>made by http://x.org</metadata>
      <defs><style>*{color:red}</style><clipPath id="p1"/></defs><g id="unused"
      clip-path="url(#p1)" style="fill: #1f2328"/><use xlink:href="#p1"/>
      <text>id="p1" #1f2328 &lt;b&gt;</text></svg>"""
    shown = inline_svg(svg, "fig", 'words "quoted"')

    assert "x.org" not in shown
    assert "color:red" not in shown
    assert 'id="fig-p1"' in shown
    assert "url(#fig-p1)" in shown
    assert 'href="#fig-p1"' in shown
    assert "unused" not in shown
    assert "fill: var(--ink)" in shown
    assert '>id="p1" #1f2328 &lt;b&gt;<' in shown
    assert 'aria-label="words &quot;quoted&quot;"' in shown
