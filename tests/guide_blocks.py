"""Reading ``docs/guide.md``: its fenced blocks, and comparing what they show with what is."""

import re
from pathlib import Path
from typing import Any

GUIDE = Path(__file__).parents[1] / "docs" / "guide.md"


def read_blocks(text: str) -> dict[str, str]:
    """Return each fenced block, named by its heading and, after the first, its number there."""
    blocks: dict[str, str] = {}
    slug, count = "", 0
    for heading, block in re.findall(r"^#+ ([^\n]*)$|^```\w*\n(.*?)^```$", text, re.M | re.S):
        if heading:
            slug, count = re.sub(r"\W+", "-", heading.lower()).strip("-"), 0
        else:
            count += 1
            blocks[slug if count == 1 else f"{slug}/{count}"] = block
    return blocks


def shows(shown: Any, real: Any, *, types_only: bool = False) -> bool:
    """Tell whether all that is shown is really there; dots stand for anything but nothing."""
    if isinstance(shown, dict):
        return isinstance(real, dict) and all(
            key in real and shows(value, real[key], types_only=types_only)
            for key, value in shown.items()
        )
    if shown in ({...}, [...]):
        return len(real) > 0 and isinstance(real, dict if isinstance(shown, set) else list)
    return type(shown) is type(real) and (types_only or shown == real)


def are_lines_of(lines: list[str], text: str) -> bool:
    """Tell whether these lines are in the text, in this order."""
    rest = iter(text.splitlines())
    return len(lines) > 0 and all(line in rest for line in lines)


def alike(line: str) -> str:
    """Return a line with its names and numbers taken out."""
    for pattern, sign in ((r"Custom\w+", "NAME"), (r"head|finetune", "STAGE"), (r"\d+", "0")):
        line = re.sub(pattern, sign, line)
    return line


BLOCKS = read_blocks(GUIDE.read_text(encoding="utf-8"))
