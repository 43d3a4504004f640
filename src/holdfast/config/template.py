"""A settings file with every setting in it, made from the settings themselves."""

import json
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from holdfast.config.run_config import BACKBONES, FREE_TO_CHANGE, PRESETS, RunConfig, choices

_HEAD = """\
# Settings of a run: `holdfast train --config FILE` reads them from here.
#
# Every setting stands here as a comment, with its default. To change one, take
# away the # before it. Options of the command line win over this file.
#
# "In the demo": the default as long as there is no data, and the built-in demo
# is trained. "Free": may change in a run that has begun. A start that differs
# in anything else is refused, unless on_change says otherwise.
"""
_WIDTH = 77
_EXAMPLE_OF_OVERRIDES = """\
#[overrides.CustomDeiTStyle.finetune]
#learning_rate = 0.0003
"""


def settings_template() -> str:
    """Return TOML that has every setting, commented out: it resolves to the defaults."""
    tables = {name: field.default for name, field in _fields(RunConfig) if _is_table(field)}
    parts = [_HEAD, *_settings(RunConfig, RunConfig(), PRESETS["demo"], FREE_TO_CHANGE)]
    for name, defaults in tables.items():
        text = _comment(_text(RunConfig.model_fields[name]))
        parts.append(f"{text}[{name}]\n")
        parts += _settings(type(defaults), defaults, PRESETS["demo"].get(name, {}))
    overrides = _comment(_text(RunConfig.model_fields["overrides"]))
    return "\n".join([*parts, overrides + _EXAMPLE_OF_OVERRIDES])


def _fields(model: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    yield from model.model_fields.items()


def _is_table(field: FieldInfo) -> bool:
    return isinstance(field.default, BaseModel)


def _settings(
    model: type[BaseModel],
    defaults: BaseModel,
    demo: Mapping[str, Any],
    free: frozenset[str] = frozenset(),
) -> Iterator[str]:
    """Yield for each setting what it means, and its line."""
    for name, field in _fields(model):
        if _is_table(field) or name == "overrides":
            continue
        value = getattr(defaults, name)
        words = ", ".join(map(_toml, choices(name) if model is RunConfig else ()))
        notes = [
            f"One of {words}." if words else "",
            f"In the demo: {_toml(demo[name])}." if demo.get(name, value) != value else "",
            "Free." if name in free else "",
        ]
        noted = " ".join(filter(None, notes))
        unset = "Not set by default; for example:" if value is None else ""
        text = "".join(map(_comment, (_text(field), noted, unset)))
        shown = (field.examples or [None])[0] if value is None else value
        yield f"{text}#{name} = {_toml(shown)}\n"


def _text(field: FieldInfo) -> str:
    return " ".join((field.description or "").replace("``", "").split())


def _comment(text: str) -> str:
    lines = textwrap.wrap(text, _WIDTH, break_on_hyphens=False)
    return "".join(f"# {line}\n" for line in lines)


def _toml(value: Any) -> str:
    if value == tuple(BACKBONES):
        return '"all"'
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value)  # text, numbers, true and false look the same in TOML
