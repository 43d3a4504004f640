"""The Python of ``docs/export.md`` says of any photo what ``holdfast predict`` says of it."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from holdfast.cli.app import app
from holdfast.export import export_model
from holdfast.inference import open_trained
from holdfast.rundir import JobName
from tests.commands import blocks_of
from tests.trained_run import FIRST

PAGE = Path(__file__).parents[2] / "docs" / "export.md"
LEAVES = PAGE.parents[2] / "shared" / "leaves"
ORIENTATION, ON_ITS_SIDE = 0x0112, 6
LARGE = (1801, 1000)


@pytest.fixture(scope="module")
def tall() -> Path:
    """A real photo that is not square."""
    if not LEAVES.is_dir():
        pytest.skip(f"{LEAVES} is not there")
    return next(path for path in sorted(LEAVES.rglob("*.jpg")) if _is_tall(path))


def _is_tall(path: Path) -> bool:
    with Image.open(path) as image:
        return image.height > image.width + 50


@pytest.fixture
def home(trained_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the page's code runs, with the model that it names."""
    monkeypatch.chdir(tmp_path)
    with open_trained(trained_run, device="cpu") as run:
        images = run.images(JobName(FIRST), "test").__getitems__(range(2))[0]
        model = run.model(JobName(FIRST))
    export_model(model, torch.as_tensor(images), tmp_path / "exported" / f"{FIRST}.onnx")
    return tmp_path


def said_by_the_page() -> dict[str, float]:
    """Run its code; return the probability of each class."""
    (code,) = (block for kind, block in blocks_of(PAGE.read_text("utf-8")) if kind == "python")
    names: dict[str, object] = {}
    exec(code, names)
    logits = np.asarray(names["logits"], dtype=np.float64)[0]
    odds = np.exp(logits - logits.max())
    return dict(zip(json.loads(names["told"]["classes"]), odds / odds.sum(), strict=True))


@pytest.mark.parametrize("kind", ["as it is", "held on its side", "large", "wide and odd"])
def test_snippet_says_what_predict_says(
    kind: str, tall: Path, trained_run: Path, home: Path
) -> None:
    """Not square, turned by EXIF, so large that JPEG reduces it: the same probabilities."""
    with Image.open(tall) as image:
        photo, exif = image.convert("RGB"), Image.Exif()
    if kind == "held on its side":
        exif[ORIENTATION] = ON_ITS_SIDE
    if kind == "large":
        photo = photo.resize(LARGE)
    if kind == "wide and odd":
        photo = photo.rotate(90, expand=True).crop((3, 0, 202, 48))
    photo.save(home / "leaf.jpg", exif=exif, quality=95)
    command = ["predict", "--checkpoint-dir", str(trained_run), "--backbone", FIRST, "--json"]
    told = CliRunner().invoke(app, [*command, "leaf.jpg"], catch_exceptions=False)

    (expected,) = json.loads(told.stdout)
    found = said_by_the_page()
    assert found == pytest.approx(expected["probabilities"], abs=1e-5)
    assert max(found, key=found.__getitem__) == expected["class"]
