"""What the tutorial and the how-to pages say to type works, in the order in which they say it."""

import re
import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast.config import resolve
from holdfast.storage.objects.address import Address
from holdfast.storage.objects.store import Store
from tests.commands import begin, blocks_of, commands_of, end_of, is_known, run_in, shown_in
from tests.objects.servers import environment, moto_server

DOCS = Path(__file__).parents[2] / "docs"
TUTORIAL = DOCS / "tutorial.md"
HOW_TOS = sorted((DOCS / "how-to").glob("*.md"))
AT_A_URL = "s3://"
TRAINS = re.compile(r"(timeout -s TERM \w+ )?holdfast train (?!.*--verify-recovery)")
SMALL = (
    "holdfast train --data photos --size tiny --image-size 96"
    " --epochs-head 3 --epochs-finetune 6 --folds 0"
)
ELSEWHERE = {"holdfast autostart enable"}  # tests/test_readme.py has it


@pytest.fixture
def home(digits_folder: Path, tmp_path: Path) -> Path:
    """A directory with ``photos``."""
    (tmp_path / "photos").symlink_to(digits_folder)
    return tmp_path


@pytest.fixture
def bucket(digits_folder: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A bucket on a server of this machine, with the photos in it."""
    with moto_server() as server:
        for name, value in environment(server.endpoint, home / "scratch").items():
            monkeypatch.setenv(name, value)
        photos = Store(Address.parse("s3://bucket/photos"))
        for path in sorted(digits_folder.rglob("*.png")):
            photos.put(path.relative_to(digits_folder).as_posix(), path)
        yield


def type_command(command: str, home: Path) -> None:
    """Type one command; a training is stopped when it trains."""
    if TRAINS.match(command):
        where = re.search(r"--checkpoint-dir (\S+)", command)
        directory = where[1] if where else "checkpoints"
        at = "scratch/*" if directory.startswith(AT_A_URL) else directory
        assert "saved. The same command goes on" in begin(command, home, f"{at}/journal.jsonl")
    else:
        child = run_in(home, command)
        output = end_of(child)
        assert child.returncode == 0, output


@pytest.mark.parametrize("page", HOW_TOS, ids=lambda page: page.stem)
def test_how_to(page: Path, home: Path, request: pytest.FixtureRequest) -> None:
    """Each training begins and saves when it is stopped; every other command ends well."""
    text = page.read_text(encoding="utf-8")
    for language, block in blocks_of(text):
        if language == "toml":
            (home / "settings.toml").write_text(block)
            assert resolve(tomllib.loads(block)).data == "photos"
    commands = commands_of(text)
    if any(AT_A_URL in command for command in commands):
        request.getfixturevalue("bucket")
    if not commands or not TRAINS.match(commands[0]):  # the page is about a run that is there
        type_command(SMALL, home)

    assert commands
    for command in commands:
        if command not in ELSEWHERE:
            type_command(command, home)


def test_whatever_is_shown_typed_is_a_command() -> None:
    """No page, and no session in one, shows a command or an option that there is not."""
    pages = [DOCS.parent / "README.md", *sorted(DOCS.rglob("*.md"))]
    shown = [(page.name, words) for page in pages for words in shown_in(page.read_text("utf-8"))]

    assert len(shown) > 80
    assert [(name, words) for name, words in shown if not is_known(words)] == []


@pytest.mark.skipif(not shutil.which("timeout"), reason="no timeout here")
def test_tutorial(tmp_path: Path) -> None:
    """From the first command to the last: the plug is pulled once, and all the others end well."""
    commands = commands_of(TUTORIAL.read_text(encoding="utf-8"))
    kills = [command for command in commands if command.startswith("timeout -s KILL")]

    for command in commands:
        child = run_in(tmp_path, command)
        output = end_of(child)
        assert child.returncode == (-9 if command in kills else 0), f"{command}\n{output}"

    assert len(kills) == 1
