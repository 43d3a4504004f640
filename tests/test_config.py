"""The settings: where each comes from, and what is said of one that cannot be used."""

from pathlib import Path
from typing import Any

import pytest
import typer

from holdfast.backbones import find_family, registry
from holdfast.cli import app
from holdfast.cli.options import as_arguments
from holdfast.config import BACKBONES, FREE_TO_CHANGE, PRESETS, RunConfig, resolve
from holdfast.errors import ConfigError, HoldfastError, UnknownBackboneError

SERIES = [
    "CustomConvNeXt",
    "CustomEfficientNetV4",
    "CustomGhostNetV2",
    "CustomResNetMish",
    "CustomCSPDarkNet",
    "CustomInceptionV4",
    "CustomViTHybrid",
    "CustomSwinTransformer",
    "CustomCoAtNet",
    "CustomRegNet",
    "CustomDenseNetHybrid",
    "CustomDeiTStyle",
    "CustomMaxViT",
    "CustomMobileOne",
    "CustomDynamicConvNet",
]
OPTIONS = [
    *("data", "checkpoint-dir", "config", "preset", "backbones", "size", "image-size"),
    *("batch-size", "epochs-head", "epochs-finetune", "folds", "patience", "keep-latest"),
    "overhead",
    *("seed", "device", "max-bad-images", "on-change"),
    *("engine", "ray-address", "cpus-per-job", "gpus-per-job", "max-parallel"),
    *("track", "notify"),
    *("verify-recovery", "supervise"),
]


def from_toml(text: str, tmp_path: Path, **flags: Any) -> RunConfig:
    file = tmp_path / "settings.toml"
    file.write_text(text, encoding="utf-8")
    return resolve(flags, file)


def test_series_is_the_registrys_in_the_order_of_training() -> None:
    """The fifteen names, their order, and a family behind each; no family is left out."""
    assert BACKBONES == SERIES
    assert [find_family(name).name for name in BACKBONES] == SERIES
    assert set(registry._families) == set(SERIES)


def test_each_source_of_settings_is_stronger_than_the_one_before(tmp_path: Path) -> None:
    """Defaults, then the preset, then the TOML file, then the flags."""
    toml = "preset = 'demo'\nbatch_size = 16\nepochs_head = 3\n"

    default, demo = RunConfig(), resolve({"preset": "demo"})
    filed = from_toml(toml, tmp_path)
    flagged = from_toml(toml, tmp_path, epochs_head=4)

    assert [c.image_size for c in (default, demo, filed, flagged)] == [224, 32, 32, 32]
    assert [c.batch_size for c in (default, demo, filed, flagged)] == [32, 64, 16, 16]
    assert [c.epochs_head for c in (default, demo, filed, flagged)] == [40, 2, 3, 4]
    assert [c.patience for c in (default, demo, filed, flagged)] == [5] * 4


def test_preset_is_demo_without_data_and_full_with_it(tmp_path: Path) -> None:
    """Whoever names no preset gets the one that fits; one that is named wins."""
    assert resolve({}).preset == "demo"
    assert resolve({"data": "photos"}).preset == "full"
    assert from_toml("data = 'photos'", tmp_path).preset == "full"
    assert from_toml("data = 'photos'", tmp_path, preset="demo").preset == "demo"
    assert from_toml("preset = 'full'\ndata = 'photos'", tmp_path, preset="demo").preset == "demo"
    with pytest.raises(ConfigError, match="add --data DIR"):
        resolve({"preset": "full"})
    assert set(PRESETS) == {"demo", "full"}


def test_tables_are_merged_key_by_key(tmp_path: Path) -> None:
    """Naming one setting of a stage leaves the others as the preset or the defaults have them."""
    config = from_toml("[finetune]\nclip_norm = 2.0\n[augment]\njitter = 0.1\n", tmp_path)
    assert (config.finetune.clip_norm, config.finetune.learning_rate) == (2.0, 2e-3)
    assert (config.augment.jitter, config.augment.rotation) == (0.1, 10.0)
    assert config.head == RunConfig().head


def test_one_backbone_may_differ(tmp_path: Path) -> None:
    """An override changes the stage it names, of the backbone it names."""
    text = "[overrides.CustomDeiTStyle.finetune]\nlearning_rate = 3e-4\n"
    config = from_toml(text, tmp_path)
    assert config.stage("CustomDeiTStyle", "finetune").learning_rate == 3e-4
    assert config.stage("CustomDeiTStyle", "finetune").augment is config.finetune.augment
    assert config.stage("CustomDeiTStyle", "head") == config.head
    assert config.stage("CustomMaxViT", "finetune") == config.finetune


@pytest.mark.parametrize("value", ["all", ["all"], list(SERIES), ",".join(SERIES)])
def test_backbones_may_be_a_list_or_text(value: object) -> None:
    """A TOML list, the command line's commas, and the word all."""
    assert resolve({"backbones": value}).backbones == tuple(SERIES)
    assert resolve({"backbones": " CustomMaxViT , CustomRegNet,"}).backbones == (
        "CustomMaxViT",
        "CustomRegNet",
    )


def test_folds_of_each_backbone() -> None:
    """All backbones are cross-validated unless some are named, none with 0 folds."""
    names = "CustomMaxViT,CustomRegNet"
    assert resolve({"backbones": names, "data": "x"}).fold_counts == dict.fromkeys(
        ["CustomMaxViT", "CustomRegNet"], 5
    )
    some = {"backbones": names, "fold_backbones": "CustomRegNet", "folds": 3}
    assert resolve(some).fold_counts == {"CustomRegNet": 3}
    assert resolve({**some, "folds": 0}).fold_counts == {}


def test_stages_without_epochs_are_left_out() -> None:
    """A stage of no epochs is no stage."""
    assert resolve({"epochs_head": 0, "epochs_finetune": 3}).stages == {"finetune": 3}
    assert list(resolve({}).stages) == ["head", "finetune"]


FILE = "settings.toml"
BAD = {  # what is written in the file: what is said of it
    "fold = 3": "fold: no such setting; did you mean folds",
    "zzz = 3": "zzz: no such setting; `holdfast init` writes all there are",
    "[head]\nlearnin_rate = 1": "head.learnin_rate: no such setting; did you mean learning_rate?",
    "[overrides.CustomMaxViT.fintune]\naugment = true": "overrides.CustomMaxViT.fintune: no such",
    "[overrides.CustomMaxViT.head]\nlr = 1": "overrides.CustomMaxViT.head.lr: no such setting",
    "[overrides.CustomMaxViT.head]\nlearning_rate = -1": (
        "overrides.CustomMaxViT.head.learning_rate: must be more than 0 (got -1)"
    ),
    "batch_size = 'many'": "batch_size: must be a whole number (got 'many')",
    "batch_size = 'a\\nb'": "batch_size: ",
    "batch_size = 1": "batch_size: must be at least 2 (got 1)",
    "keep_latest = 1": "keep_latest: must be at least 2 (got 1)",
    "seed = -1": "seed: must be at least 0 (got -1)",
    "folds = 1": "folds: one fold leaves nothing to train on; use 0, or 2 and more",
    "image_size = 100": "image_size: must be a multiple of 32, such as 96 (got 100)",
    "image_size = 1010": "image_size: must be a multiple of 32, such as 1024 (got 1010)",
    "image_size = 16": "image_size: must be at least 32 (got 16)",
    "epochs_head = 0\nepochs_finetune = 0": "epochs_head and epochs_finetune are both 0",
    "preset = 'quick'": "preset: use demo or full (got 'quick')",
    "preset = ['demo']": "preset: use demo or full (got ['demo'])",
    "device = 'xcpu'": "device: use auto, cpu, cuda or cuda:N (got 'xcpu')",
    "device = 'cuda:x'": "device: ",
    "backbones = 5": "backbones: ",
    "backbones = []": "backbones: name at least one backbone, or all (got [])",
    "backbones = 'CustomMaxViT,CustomMaxViT'": "backbones: a backbone is named twice",
    "head = 3": "head: ",
    "overrides = 3": "overrides: ",
    "overrides.CustomMaxViT.head = 3": "overrides.CustomMaxViT.head: ",
    "track = 'wandb'": "track: use tensorboard, tensorboard:DIR, mlflow or mlflow:URI",
    "track = ['mlflow', 'mlflow:http://x']": "track: a tool is named twice",
    "track = 'tensorboard:s3://bucket/tb'": "track: tensorboard: name a folder of this machine",
    "notify = 3": "notify: must be a text, or a list of them",
    "stall_after = 0": "stall_after: must be more than 0 (got 0)",
    "precision = 'float16'": "precision: use 'auto', 'float32' or 'bfloat16'",
}


@pytest.mark.parametrize(("text", "words"), BAD.items())
def test_bad_setting_is_named_in_one_line(text: str, words: str, tmp_path: Path) -> None:
    """Each fault names its field and says what would do; its exit code is 2."""
    with pytest.raises(ConfigError) as caught:
        from_toml(text, tmp_path)
    assert str(caught.value).removeprefix(f"{tmp_path / FILE}: ").startswith(words)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_file_is_named_where_the_bad_value_is_its_own(tmp_path: Path) -> None:
    """Who gives a file and options learns which of the two to mend."""
    (tmp_path / FILE).write_text("batch_size = 1\nseed = 3\n")
    with pytest.raises(ConfigError) as in_file:
        resolve({"seed": 4}, tmp_path / FILE)
    with pytest.raises(ConfigError) as given:
        resolve({"batch_size": 0}, tmp_path / FILE)

    assert str(in_file.value) == f"{tmp_path / FILE}: batch_size: must be at least 2 (got 1)"
    assert str(given.value) == "batch_size: must be at least 2 (got 0)"


@pytest.mark.parametrize(
    "settings",
    [
        {"backbones": "CustomConvNext"},
        {"fold_backbones": ["CustomConvNext"]},
        {"overrides": {"CustomConvNext": {}}},
    ],
)
def test_misspelt_backbone_suggests_a_near_one(settings: dict[str, Any]) -> None:
    """Wherever a backbone is named, a name that is nearly right is helped."""
    with pytest.raises(UnknownBackboneError, match="'CustomConvNext': did you mean CustomConvNeXt"):
        resolve(settings)


def test_unknown_backbone_is_told_where_to_look() -> None:
    """A name that is like none of ours gets the command that lists them."""
    with pytest.raises(UnknownBackboneError, match="`holdfast backbones` lists them"):
        resolve({"backbones": "vgg"})


@pytest.mark.parametrize("contents", [None, b"a = ", b"\xff", b"[a\n"])
def test_unreadable_file_is_named(contents: bytes | None, tmp_path: Path) -> None:
    """A settings file that is missing, not TOML or not text is a one-line fault with its name."""
    file = tmp_path / "settings.toml"
    if contents is not None:
        file.write_bytes(contents)
    with pytest.raises(HoldfastError) as caught:
        resolve({}, file)
    assert str(caught.value).startswith(f"{file}: ")
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_settings_cannot_change_under_way() -> None:
    """A config is what it was resolved to."""
    with pytest.raises(ValueError, match="frozen"):
        resolve({}).seed = 1  # type: ignore[misc]


def test_free_settings_exist() -> None:
    """What may change between starts is named as the settings are."""
    assert set(RunConfig.model_fields) >= FREE_TO_CHANGE


def test_options_can_be_written_out_again() -> None:
    """What a supervisor or a boot is to repeat gives the same settings, whatever the values."""
    command = typer.main.get_command(app).commands["train"]
    texts = ["--data", "-a b", "--config", "x y.toml", "--seed", "7", "--max-bad-images", "0.5"]
    given = command.make_context("train", list(texts)).params
    flags = {k: v for k, v in given.items() if v not in (None, False) and k != "config"}

    assert as_arguments(flags, given["config"]) == [*texts[:2], *texts[4:], *texts[2:4]]
    assert command.make_context("train", as_arguments(flags, given["config"])).params == given


def test_options_given_twice_are_written_out_twice_and_secrets_never() -> None:
    """Each tool to track is repeated; whom to notify is for no other process's arguments."""
    command = typer.main.get_command(app).commands["train"]
    texts = ["--track", "tensorboard:a b", "--track", "mlflow:http://host"]
    given = command.make_context("train", [*texts, "--notify", "json://host/secret"]).params
    flags = {k: v for k, v in given.items() if v not in (None, False, ())}
    assert as_arguments(flags, None) == texts
    assert resolve(flags).track == ("tensorboard:a b", "mlflow:http://host")
    assert resolve({"track": "tensorboard, mlflow"}).track == ("tensorboard", "mlflow")


def test_options_of_train_are_these() -> None:
    """A new option is a decision; each sets the setting of its name."""
    command = typer.main.get_command(app).commands["train"]
    options = [option.opts[0].removeprefix("--") for option in command.params]
    assert options == OPTIONS
    settings = {name.replace("-", "_") for name in OPTIONS} - {
        "config",
        "verify_recovery",
        "supervise",
    }
    assert settings <= set(RunConfig.model_fields)
