"""Each fault says what to do next, and each command that a message names is one."""

import ast
import inspect
import re
from pathlib import Path

import pytest

from holdfast import errors
from tests.commands import is_known

ROOT = Path(__file__).parents[1]
FAULTS = [
    thing
    for thing in vars(errors).values()
    if inspect.isclass(thing) and issubclass(thing, errors.HoldfastError | errors.Interrupted)
]
NAMED = re.compile(r"`holdfast ([^`]+)`")


def texts() -> list[tuple[str, str]]:
    """Return every text of the package that names a command, with where it stands."""
    found = []
    for path in sorted((ROOT / "src").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = [n.value if isinstance(n, ast.Constant) else "X" for n in node.values]
                found.append((f"{path.name}:{node.lineno}", "".join(map(str, parts))))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append((f"{path.name}:{node.lineno}", node.value))
    return [(where, " ".join(text.split())) for where, text in found if NAMED.search(text)]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_each_fault_has_a_next_step_of_its_own(fault: type) -> None:
    """A new fault is no fault without what to do against it, in one line that ends as one."""
    step = vars(fault).get("next_step", "")
    assert step.endswith(".")
    assert "\n" not in step
    assert fault.__doc__


def test_faults_are_those_of_the_tree() -> None:
    """The drawn tree, the exit codes in it and the classes agree."""
    drawn = re.findall(r"([A-Z]\w+) +(\d+)", (errors.__doc__ or "").replace("130 or", "130"))
    codes = {name: int(code) for name, code in drawn}
    assert codes.keys() == {fault.__name__ for fault in FAULTS}
    for fault in FAULTS:
        if issubclass(fault, errors.HoldfastError):
            assert codes[fault.__name__] == fault.exit_code


def test_page_shows_each_next_step() -> None:
    """docs/errors.md is where people look an exit code up."""
    page = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    for fault in FAULTS:
        assert f"| `{fault.__name__}` | " in page
        assert f" | {fault.next_step} |" in page


def test_commands_that_texts_name_exist() -> None:
    """No message sends anybody to a command or an option that there is not."""
    named = [(where, cmd) for where, text in texts() for cmd in NAMED.findall(text)]
    assert len(named) > 20
    assert [(where, cmd) for where, cmd in named if not is_known(cmd)] == []
    assert not is_known("trian")
    assert not is_known("train --resume")
