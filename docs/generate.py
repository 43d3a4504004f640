"""Writes the pages of docs/ that the code knows best: cli.md, backbones.md, errors.md.

``python docs/generate.py`` writes them; with ``--check`` it fails where one is not current.
"""

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import typer
from pydantic import BaseModel

from holdfast import errors
from holdfast.backbones import count_parameters, create_backbone, find_family
from holdfast.cli import app
from holdfast.config import BACKBONES, FREE_TO_CHANGE, OVERRIDES, PRESETS, RunConfig

DOCS = Path(__file__).parent
NOTICE = "<!-- Written by docs/generate.py (make docs); do not edit. -->\n"


def cli_page() -> str:
    """Return every command's help, then every setting."""
    group = typer.main.get_command(app)
    context = typer.Context(group, info_name="holdfast", max_content_width=80)
    parts = [NOTICE, "# Command line\n", _console("holdfast", group.get_help(context))]
    parts.append(_COMPLETION)
    for name, command in _commands("holdfast", group):
        inner = typer.Context(command, info_name=name, max_content_width=80)
        parts += [f"## {name}\n", _console(name, command.get_help(inner))]
    parts += ["## Settings\n", _SETTINGS, _settings_table(RunConfig)]
    for title, name in (("The tables head and finetune", "head"), ("The table augment", "augment")):
        parts += [f"### {title}\n", _settings_table(type(RunConfig.model_fields[name].default))]
    parts += ["### Presets and single backbones\n", _presets()]
    return "\n".join(parts)


def _commands(name: str, group: Any) -> Iterator[tuple[str, Any]]:
    """Yield each command below a group with its whole name, groups before what they hold."""
    for word, command in group.commands.items():
        yield f"{name} {word}", command
        if hasattr(command, "commands"):
            yield from _commands(f"{name} {word}", command)


_COMPLETION = """`holdfast --install-completion` lets the shell (bash, zsh, fish, PowerShell)
complete commands and options, and what `--backbones` (after each comma), `--backbone`, `--preset`,
`--size`, `--engine`, `--on-change` and `--device` take.
"""

_SETTINGS = """Each option of `holdfast train` is also a key of the TOML file given by `--config`,
with `_` for `-`; `holdfast init` writes one with all of them, as comments. From weakest to
strongest: default, preset, file, option. The resolved settings are recorded in the run; a start
with others is refused (exit code 3), except for those marked *free*, which change no bit of the
result, for more backbones, which are added, and for the stage settings of a backbone that has not
begun.

```toml
data = "photos"
backbones = ["CustomResNetMish", "CustomDeiTStyle"]
epochs_finetune = 50

[finetune]
learning_rate = 5e-4

[overrides.CustomDeiTStyle.finetune]
learning_rate = 3e-4
```
"""


def _settings_table(model: type[BaseModel]) -> str:
    rows = ["| key | default | |", "| --- | --- | --- |"]
    for name, field in model.model_fields.items():
        if isinstance(field.default, BaseModel):
            continue
        default = (
            "" if field.is_required() else _shown(field.get_default(call_default_factory=True))
        )
        text = " ".join((field.description or "").split())
        free = "*free.* " if model is RunConfig and name in FREE_TO_CHANGE else ""
        rows.append(f"| `{name}` | {default} | {free}{text} |")
    return "\n".join(rows) + "\n"


def _presets() -> str:
    lines = [f"- preset `{name}`: {_pairs(changes)}" for name, changes in PRESETS.items()]
    lines += [f"- `{name}`: {_pairs(changes)}" for name, changes in OVERRIDES.items()]
    return "\n".join(lines) + "\n"


def _pairs(table: dict[str, Any], prefix: str = "") -> str:
    parts = [
        _pairs(value, f"{prefix}{key}.")
        if isinstance(value, dict)
        else f"`{prefix}{key}` {_shown(value)}"
        for key, value in table.items()
    ]
    return ", ".join(parts) or "the defaults above"


def _shown(value: object) -> str:
    if value is None or value in ({}, ()):
        return "none"
    if value == tuple(BACKBONES):
        return "all"
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def backbones_page() -> str:
    """Return a table of all backbones, and where each departs from its paper."""
    parts = [NOTICE, "# The fifteen backbones\n", _BACKBONES]
    rows = [
        "| | paper | tiny, 32 px | full, 224 px | any size |",
        "| --- | --- | --- | --- | --- |",
    ]
    notes = []
    for name in BACKBONES:
        family = find_family(name)
        identifiers = ", ".join(
            f"[{part}](https://arxiv.org/abs/{part.removeprefix('arXiv:')})"
            for part in family.paper.replace(" and ", ", ").replace(" + ", ", ").split(", ")
        )
        tiny, full = _millions(name, "tiny", 10, 32), _millions(name, "full", 1000, 224)
        any_size = "yes" if family.any_image_size else "no"
        rows.append(f"| {name} | {identifiers} | {tiny} | {full} | {any_size} |")
        notes.append(f"### {name}\n\n*{family.title}.* {family.mechanism}\n\n{family.notes}\n")
    return "\n".join([*parts, "\n".join(rows) + "\n", *notes])


_BACKBONES = """Parameters are in millions, for 10 classes at tiny and 1000 at full size. *Any
size*: a model, once built, also takes images of another size. All have one surface:
`num_features`, `forward_features`, `forward_head`, `reset_classifier`, `train_head` (only the
classifier learns) and `train_all`; see `src/holdfast/backbones/backbone.py`.
"""


def _millions(name: str, size: str, classes: int, pixels: int) -> str:
    with torch.device("meta"):
        model = create_backbone(name, size=size, num_classes=classes, image_size=pixels)
    return f"{count_parameters(model) / 1e6:.2f}"


def errors_page() -> str:
    """Return the tree of faults, and each with its exit code and what to do next."""
    tree = (errors.__doc__ or "").split("\n\n", 1)[1].rpartition("\n\n")[0].rstrip()
    rows = ["| exit code | fault | | what to do next |", "| --- | --- | --- | --- |"]
    for code, name, text, next_step in sorted(
        _faults(), key=lambda row: (int(row[0].split(",")[0]), row)
    ):
        rows.append(f"| {code} | `{name}` | {text} | {next_step} |")
    head = "# Faults and exit codes\n\n0: all complete. 130 and 143: interrupted, after saving.\n"
    return "\n".join([NOTICE, head, _MESSAGES, "\n".join(rows), "\n```text", tree, "```\n"])


_MESSAGES = """Each message says in one line what was wrong, where, and what to do next; the table
says what helps against all of a kind.
"""


def _faults() -> Iterator[tuple[str, str, str, str]]:
    for name, thing in vars(errors).items():
        if inspect.isclass(thing) and issubclass(thing, (errors.HoldfastError, errors.Interrupted)):
            own = isinstance(thing.exit_code, int)
            code = str(thing.exit_code) if own else "130, 143"  # of the signal
            yield code, name, (thing.__doc__ or "").splitlines()[0], thing.next_step


def _console(command: str, text: str) -> str:
    lines = "\n".join(line.rstrip() for line in text.splitlines())
    return f"```console\n$ {command} --help\n{lines}\n```\n"


PAGES = {"cli.md": cli_page, "backbones.md": backbones_page, "errors.md": errors_page}


def main() -> int:
    """Write the pages, or, with ``--check``, compare them."""
    stale = []
    for name, page in PAGES.items():
        path, text = DOCS / name, page()
        if "--check" not in sys.argv:
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(f"docs/{name} is not current: run `make docs`")
    sys.stdout.writelines(line + "\n" for line in stale)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
