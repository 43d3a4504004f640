"""HTML and SVG as text: whatever is not markup is escaped, wherever it comes from."""

import re
from collections.abc import Iterable
from html import escape
from typing import Any, TypeAlias
from urllib.parse import quote

_PART = re.compile(r"[^a-z]*[^A-Z_.-]+[_.-]?|.+", re.DOTALL)
_COMMON = "Custom"
_VOID = {"br", "hr", "img", "input"}


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


Child: TypeAlias = "Markup | str | float | Iterable[Child] | None"


def tag(name: str, *children: Child, **attributes: Any) -> Markup:
    """Return an element; children and attributes that are no `Markup` are escaped.

    ``class_`` gives ``class``, ``aria_label`` gives ``aria-label``; None and False leave an
    attribute out, True gives it without a value.
    """
    written = "".join(
        f" {_attribute(key)}" if value is True else f' {_attribute(key)}="{_safe(value)}"'
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    if name in _VOID:
        return Markup(f"<{name}{written}>")
    return Markup(f"<{name}{written}>{join(children)}</{name}>")


def join(children: Iterable[Child]) -> Markup:
    """Return children one after the other."""
    return Markup("".join(_flat(children)))


def breakable(name: str) -> Markup:
    """Return a name that a narrow page may break where a part of it begins.

    What all our backbones' names begin with is apart: where there is no room, nobody needs it.
    """
    common = _COMMON if name.startswith(_COMMON) and name != _COMMON else ""
    parts = _PART.findall(name[len(common) :]) or [name]
    first = tag("span", common, class_="common") if common else ""
    return Markup(first + "<wbr>".join(_safe(part) for part in parts))


def job_path(job: str) -> str:
    """Return where a job's page is."""
    return f"/job/{quote(job, safe='', errors='backslashreplace')}"


def _flat(child: Child) -> Iterable[str]:
    if child is None:
        return
    if isinstance(child, Markup):
        yield child
    elif isinstance(child, str | int | float):
        yield _safe(child)
    else:
        for one in child:
            yield from _flat(one)


def _attribute(key: str) -> str:
    return key.rstrip("_").replace("_", "-")


def _safe(value: object) -> str:
    """Escape a text; what nobody sees of a name, or what turns it around, is shown as escapes."""
    text = str(value)
    if not text.isprintable():
        text = "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)
    return escape(text)
