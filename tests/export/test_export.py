"""Exported models: run again, they say what the trained ones say, and know what they are."""

import io
import json
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import safetensors
import torch
from torch import Tensor

from holdfast.backbones import create_backbone
from holdfast.config import BACKBONES
from holdfast.data import Augment
from holdfast.errors import ExportError, StorageError
from holdfast.export import FORMATS, export_model
from holdfast.export.formats import Runner, Safetensors
from holdfast.inference import TrainedModel, open_trained
from holdfast.pipeline import Machine
from holdfast.rundir import JobName
from holdfast.storage import disk
from tests.trained_run import FIRST, SECOND

DEEP = pytest.mark.skipif(
    not os.environ.get("HOLDFAST_DEEP"), reason="all fifteen take minutes: HOLDFAST_DEEP=1"
)


def trained(run_dir: Path, name: str) -> tuple[TrainedModel, Tensor]:
    """Return a model, and real images of its run."""
    with open_trained(run_dir, device="cpu") as run:
        images = run.images(JobName(name), "test").__getitems__(range(7))[0]
        return run.model(JobName(name)), torch.as_tensor(images)


def check_card(told: Mapping[str, str], model: TrainedModel, *, inside: bool) -> None:
    assert json.loads(told["classes"]) == ["one", "two", "zero"]
    assert (told["backbone"], told["image_size"], told["run_id"]) == (model.job.backbone, "32", "x")
    preprocessing = json.loads(told["preprocessing"])
    assert preprocessing["resize_shorter_side"] == 37
    assert preprocessing["square"] == "the centre, as wide and as high as the shorter side"
    assert (preprocessing["normalisation"] == "inside the model") is inside


@pytest.mark.parametrize("name", [FIRST, SECOND])
def test_onnx_says_what_the_model_says(trained_run: Path, tmp_path: Path, name: str) -> None:
    """By onnxruntime alone, for any number of images; classes and preprocessing are inside."""
    model, images = trained(trained_run, name)
    done = export_model(model, images, tmp_path / "m.onnx", about={"run_id": "x"})
    assert done.batches == (1, 3, 7)
    session = onnxruntime.InferenceSession(done.path, providers=["CPUExecutionProvider"])
    (wanted,) = session.get_inputs()
    assert (wanted.name, wanted.shape) == ("images", ["batch", 3, 32, 32])
    inputs = images[:, 2:34, 2:34].permute(0, 3, 1, 2).float().numpy() / 255
    for count in (1, 2, 5):
        (logits,) = session.run(["logits"], {"images": inputs[:count]})
        expected = model.logits(images[:count])
        assert np.abs(logits - expected.numpy()).max() <= done.tolerance
    check_card(session.get_modelmeta().custom_metadata_map, model, inside=True)
    onnx.checker.check_model(onnx.load(done.path))


def test_folded_model_has_no_branches_left(trained_run: Path, tmp_path: Path) -> None:
    """MobileOne leaves the run re-parameterised: no norm, and one convolution for each sum."""
    model, images = trained(trained_run, SECOND)
    done = export_model(model, images, tmp_path / "m.onnx")
    operations = [node.op_type for node in onnx.load(done.path).graph.node]
    branched = [m for m in model.model.modules() if type(m).__name__ == "BranchedConv"]
    assert operations.count("Conv") == len(branched)
    assert "BatchNormalization" not in operations


def test_pt2_runs_without_holdfasts_code(trained_run: Path, tmp_path: Path) -> None:
    """torch alone loads it and says the same, for other numbers of images than it was made with."""
    model, images = trained(trained_run, SECOND)
    done = export_model(model, images, tmp_path / "m.pt2", form="pt2", about={"run_id": "x"})
    extra = {"holdfast.json": ""}
    program = torch.export.load(io.BytesIO(done.path.read_bytes()), extra_files=extra).module()
    inputs = images[:, 2:34, 2:34].permute(0, 3, 1, 2).float() / 255
    for count in (1, 4):
        assert torch.allclose(program(inputs[:count]), model.logits(images[:count]), atol=1e-4)
    check_card(json.loads(extra["holdfast.json"]), model, inside=True)


def test_safetensors_hold_the_weights_to_the_bit(trained_run: Path, tmp_path: Path) -> None:
    """Every tensor as trained; a backbone built anew takes them."""
    model, images = trained(trained_run, SECOND)
    target = tmp_path / "m.safetensors"
    export_model(model, images, target, form="safetensors", about={"run_id": "x"})
    with safetensors.safe_open(target, "pt") as file:
        check_card(file.metadata(), model, inside=False)
        saved = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    weights = model.model.state_dict()
    assert saved.keys() == weights.keys()
    assert all(torch.equal(saved[name], weights[name]) for name in weights)


class Wrong(Safetensors):
    """Comes back a little off."""

    def load(self, data: bytes, trained: TrainedModel) -> Runner:
        """Be off by a tenth."""
        run = super().load(data, trained)
        return lambda images: run(images) + 0.1


@pytest.fixture
def wrong_format(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setitem(FORMATS, "wrong", Wrong())
    return "wrong"


def test_file_that_says_something_else_is_not_kept(
    trained_run: Path, tmp_path: Path, wrong_format: str
) -> None:
    """Above the tolerance nothing is written, and what was there before stays."""
    model, images = trained(trained_run, FIRST)
    target = tmp_path / "m.safetensors"
    target.write_bytes(b"the one before")
    with pytest.raises(ExportError, match=r"differs from torch by 1\.0e-01, more than .* not kept"):
        export_model(model, images, target, form=wrong_format)
    assert [(p, p.read_bytes()) for p in tmp_path.iterdir()] == [(target, b"the one before")]


def test_logits_that_are_no_numbers_are_not_exported(trained_run: Path, tmp_path: Path) -> None:
    """NaN is not within any tolerance."""
    model, images = trained(trained_run, FIRST)
    with torch.no_grad():
        next(iter(model.model.parameters())).fill_(float("nan"))
    with pytest.raises(ExportError, match="differs from torch by nan"):
        export_model(model, images, tmp_path / "m.safetensors", form="safetensors")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("at", [disk.WRITE, disk.SYNC, disk.RENAME])
def test_export_that_is_cut_off_leaves_nothing_half_written(
    trained_run: Path, tmp_path: Path, at: str
) -> None:
    """A disk that refuses inside the write leaves the file of before, and no leftovers."""
    model, images = trained(trained_run, FIRST)
    target = tmp_path / "m.safetensors"
    target.write_bytes(b"the one before")

    def refuse(effect: disk.Effect) -> None:
        if effect.kind == at:
            raise OSError(28, "No space left on device")

    with disk.watching(refuse), pytest.raises(StorageError, match="the disk is full"):
        export_model(model, images, target, form="safetensors")
    assert [(p, p.read_bytes()) for p in tmp_path.iterdir()] == [(target, b"the one before")]


def random_model(name: str) -> TrainedModel:
    torch.manual_seed(0)
    model = create_backbone(name, size="tiny", num_classes=5, image_size=32).eval()
    classes = tuple("abcde")
    machine = Machine(torch.device("cpu"), 1, None)
    return TrainedModel(JobName(name), model, "tiny", classes, Augment(32).eval(), machine, 8)


@DEEP
@pytest.mark.parametrize("form", ["onnx", "pt2"])
@pytest.mark.parametrize("name", BACKBONES)
def test_every_backbone_can_be_exported(name: str, form: str, tmp_path: Path) -> None:
    """Each of the fifteen, for any number of images."""
    images = torch.randint(0, 256, (6, 37, 37, 3), dtype=torch.uint8)
    model = random_model(name)
    done = export_model(model, images, tmp_path / f"m.{form}", form=form)
    assert done.batches == (1, 3, 6)
    assert done.path.stat().st_size == done.bytes


@pytest.mark.parametrize("name", ["CustomDynamicConvNet", "CustomMobileOne"])
def test_form_for_inference_gives_the_same_logits(name: str) -> None:
    """What leaves is computed in another way, and the model itself stays as it was."""
    model = random_model(name).model
    images = torch.randn(5, 3, 33, 33)
    before = model(images)
    torch.testing.assert_close(model.for_inference()(images), before, rtol=1e-4, atol=1e-5)
    assert torch.equal(model(images), before)
