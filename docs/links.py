"""Links of the pages that lead out of docs/, into the project: the site shows them as names."""

import re
from typing import Any

_OUTSIDE = re.compile(r"\[([^\]]+)\]\((?:\.\./)+([^)#]*)(?:#[^)]*)?\)")


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Keep the text of such a link, and say where it leads."""
    return _OUTSIDE.sub(
        lambda m: m[1] if m[1] in m[2] else f"{' '.join(m[1].split())} (`{m[2]}`)", markdown
    )
