"""``holdfast init``: a settings file that has everything and changes nothing."""

import re
import tomllib
from pathlib import Path

import pytest
from pydantic import BaseModel
from typer.testing import CliRunner

from holdfast.cli import app
from holdfast.config import AugmentConfig, RunConfig, StageConfig, resolve

SETTING = re.compile(r"^#(\w+ = .*)$", re.MULTILINE)
TABLES: dict[str, type[BaseModel]] = {
    "head": StageConfig,
    "finetune": StageConfig,
    "augment": AugmentConfig,
}


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """What the command writes."""
    file = tmp_path / "holdfast.toml"
    done = CliRunner().invoke(app, ["init", str(file)])
    assert (done.exit_code, done.output.splitlines()[-1]) == (
        0,
        f"  Change what you like, then: holdfast train --config {file}",
    )
    return file


def test_file_as_written_resolves_to_the_defaults(written: Path) -> None:
    """It changes nothing: neither the demo's defaults, nor those of one's own images."""
    assert tomllib.loads(written.read_text()) == {"head": {}, "finetune": {}, "augment": {}}
    assert resolve({}, written) == resolve({})
    assert resolve({"data": "photos"}, written) == resolve({"data": "photos"})


def test_every_setting_is_in_it_with_its_default(written: Path) -> None:
    """With every # taken away, what has a default has that one, and the rest an example."""
    found = tomllib.loads(SETTING.sub(r"\1", written.read_text()).replace("#[", "["))
    sections = {"": found, **{name: found.pop(name) for name in TABLES}}
    overrides = found.pop("overrides")
    full = RunConfig()

    for table, settings in sections.items():
        model, defaults = (TABLES[table], getattr(full, table)) if table else (RunConfig, full)
        names = model.model_fields.keys() - (TABLES.keys() | {"overrides"} if not table else set())
        assert settings.keys() == names
        chosen = type(defaults).model_validate({**defaults.model_dump(), **settings})
        for name in names:
            default = getattr(defaults, name)
            assert default is None or getattr(chosen, name) == default, name
            assert default is not None or settings[name] is not None, name
    assert (
        resolve({"overrides": overrides}).stage("CustomDeiTStyle", "finetune").learning_rate == 3e-4
    )


def test_every_setting_says_what_it_means(written: Path) -> None:
    """No setting is without a line about it, and every line fits 80 columns."""
    lines = written.read_text().splitlines()
    for number, line in enumerate(lines):
        if SETTING.match(line) and "learning_rate = 0.0003" not in line:
            assert lines[number - 1].startswith("# "), line
    assert max(map(len, lines)) <= 80
    for model in (RunConfig, StageConfig, AugmentConfig):
        assert [n for n, field in model.model_fields.items() if not field.description] == []


def test_what_the_demo_changes_is_told(written: Path) -> None:
    """Whoever trains the demo reads its own default there too."""
    text = written.read_text()
    assert "# In the demo: 32.\n#image_size = 224\n" in text
    assert "# In the demo: 0.002.\n#learning_rate = 0.001\n" in text
    assert '# One of "tiny", "full". In the demo: "tiny".\n#size = "full"\n' in text


def test_readme_shows_what_is_written(written: Path) -> None:
    """The excerpt in the README is from this file."""
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    excerpt = readme.partition("image_size holdfast.toml\n")[2].partition("```")[0]
    assert len(excerpt.splitlines()) == 3
    assert excerpt in written.read_text()


@pytest.mark.parametrize("kind", ["file", "folder", "dangling link"])
def test_existing_file_is_left_as_it_is(kind: str, tmp_path: Path) -> None:
    """One line, exit code 2, and nothing is written."""
    file = tmp_path / "mine.toml"
    if kind == "file":
        file.write_text("seed = 7\n")
    elif kind == "folder":
        file.mkdir()
    else:
        file.symlink_to(tmp_path / "nowhere")
    before = sorted(tmp_path.rglob("*"))
    done = CliRunner().invoke(app, ["init", str(file)])

    assert done.exit_code == 2
    assert " ".join(done.output.split()) == (
        f"holdfast: {file}: exists, and stays as it is; name another file, or remove it"
    )
    assert sorted(tmp_path.rglob("*")) == before
    assert kind != "file" or file.read_text() == "seed = 7\n"


def test_missing_folder_is_one_line(tmp_path: Path) -> None:
    """A folder that is not there may be a slip: it is not made."""
    done = CliRunner().invoke(app, ["init", str(tmp_path / "conf" / "a.toml")])
    assert done.exit_code == 2
    assert f"there is no folder {tmp_path / 'conf'}; make it" in " ".join(done.output.split())
    assert list(tmp_path.iterdir()) == []


def test_name_is_holdfast_toml_unless_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a name it is written beside you."""
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(app, ["init"]).exit_code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["holdfast.toml"]
