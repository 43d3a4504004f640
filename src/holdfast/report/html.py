"""HTML from nested calls: whatever is not markup already is escaped."""

import html
import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence

from holdfast.report.figures import BLUE, GRID, INK, MUTED, PAPER
from holdfast.report.text import of_text, plain

_EMPTY = {"br", "meta", "link", "wbr"}
_SVG, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_SHADES = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    GRID: "var(--grid)",
    PAPER: "var(--paper)",
    BLUE: "var(--blue)",
}
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_LARGER = 1.3  # than on paper: a screen is further away
_SCROLLS = 720  # points: a wider figure is not made smaller


class Markup(str):
    """Text that is HTML, and safe."""

    __slots__ = ()


Child = str | int | None | Sequence["Child"]


def tag(element: str, /, *children: Child, **attributes: str | int | bool | None) -> Markup:
    """Return an element; ``class_`` is class, ``aria_label`` is aria-label, None is left out."""
    shown = "".join(_attribute(key, value) for key, value in attributes.items())
    if element in _EMPTY:
        return Markup(f"<{element}{shown}>")
    return Markup(f"<{element}{shown}>{join(*children)}</{element}>")


def join(*children: Child) -> Markup:
    """Return children one after the other, each escaped unless it is markup."""
    parts: list[str] = []
    for child in children:
        if isinstance(child, Markup):
            parts.append(child)
        elif isinstance(child, str | int):
            parts.append(html.escape(plain(child)))
        elif child is not None:
            parts.append(join(*child))
    return Markup("".join(parts))


def table(
    heads: Sequence[Child], rows: Sequence[Sequence[Child]], *, caption: str, class_: str = ""
) -> Markup:
    """Return a table that scrolls by itself where it is wider than the page."""
    named = tag("thead", tag("tr", [tag("th", head, scope="col") for head in heads]))
    body = [
        tag("tr", tag("th", row[0], scope="row"), [tag("td", cell) for cell in row[1:]])
        for row in rows
    ]
    whole = tag("table", tag("caption", caption), named if any(heads) else None, tag("tbody", body))
    return tag(
        "div",
        whole,
        class_=f"scroll {class_}".strip(),
        tabindex=0,
        role="region",
        aria_label=caption,
    )


def inline_svg(svg: bytes, name: str, words: str) -> Markup:
    """Return a figure as a part of the page, in the page's colours; its ids are its own."""
    root = ET.fromstring(svg)
    for part in root.findall(f"{{{_SVG}}}metadata"):
        root.remove(part)
    for place in root.iter():
        for style in place.findall(f"{{{_SVG}}}style"):
            place.remove(style)  # it would hold for the whole page; page.css has it for figures
    _rename(root, f"{name}-")
    width = float(root.get("viewBox", "0 0 500 300").split()[2])
    least = width if width > _SCROLLS else min(width, 430)
    root.set("style", f"max-width:{_LARGER * width:.0f}pt;min-width:{least:.0f}pt")
    for key in ("width", "height", "version"):
        root.attrib.pop(key, None)
    root.set("role", "img")
    root.set("aria-label", plain(words))
    ET.register_namespace("", _SVG)
    ET.register_namespace("xlink", _XLINK)
    return Markup(of_text(ET.tostring(root, encoding="unicode")))


def _rename(root: ET.Element, prefix: str) -> None:
    used = {
        name
        for place in root.iter()
        for value in place.attrib.values()
        for name in [*_REFERENCE.findall(value), *([value[1:]] if value.startswith("#") else [])]
    }
    for place in root.iter():
        for key, value in list(place.attrib.items()):
            if key == "id" and value not in used:
                del place.attrib[key]
            elif key == "id":
                place.set(key, prefix + value)
            elif key == f"{{{_XLINK}}}href" and value.startswith("#"):
                place.set(key, f"#{prefix}{value[1:]}")
            else:
                place.set(key, _in_colours(_REFERENCE.sub(rf"url(#{prefix}\1)", value)))


def _in_colours(style: str) -> str:
    for colour, variable in _SHADES.items():
        style = style.replace(colour, variable)
    return style


def _attribute(key: str, value: str | int | bool | None) -> str:
    name = key.rstrip("_").replace("_", "-")
    if value is None or value is False or value == "":
        return ""
    if value is True:
        return f" {name}"
    return f' {name}="{html.escape(plain(value), quote=True)}"'
