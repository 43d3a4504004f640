"""The head stage on features computed once: what it would be on images, and as exact."""

import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from holdfast.backbones import Backbone, create_backbone
from holdfast.config import RunConfig, resolve
from holdfast.data import ImageSet
from holdfast.errors import Interrupted
from holdfast.pipeline.job import train_and_measure
from holdfast.pipeline.machine import Machine
from holdfast.pipeline.material import Material, open_source, prepare_material
from holdfast.training import Ingredients, Progress, Run, train
from holdfast.training.features import on_features
from tests.training.conftest import Stopped

NAME = "CustomGhostNetV2"  # dropout before its last layer, BatchNorm and a layer in `pool`
TRAIN, VAL, TEST = 40, 12, 10
HEAD, FINETUNE = 3, 1
SEED = 42


Trained = tuple[dict[str, Tensor], list[dict[str, Any]]]  # weights and history


@dataclass
class Watched:
    """An image set that counts the batches fetched from it, and calls out at each."""

    images: ImageSet
    at: Callable[[int], None] = lambda number: None
    sizes: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.images)

    def __getitems__(self, indices: Sequence[int]) -> tuple[Tensor, Tensor]:
        self.sizes.append(len(indices))
        self.at(len(self.sizes))
        return self.images.__getitems__(indices)


@dataclass
class Recipe:
    """A small job on real digits, made anew for each start."""

    config: RunConfig
    with_: Ingredients

    @property
    def fetched(self) -> list[int]:
        """The sizes of the batches of training images fetched so far."""
        return self.with_.train.sizes

    def start(self, run: Run) -> Trained:
        """Train from wherever the run stands; return the weights and the history."""
        with run.job(NAME, state={"model": self.with_.model}) as job:
            train(job, self.config, self.with_)
            return self.with_.model.state_dict(), job.history


@pytest.fixture(scope="module")
def material(digits_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Material:
    """The decoded digits."""
    config = settings(digits_folder, tmp_path_factory.mktemp("cache"))
    return prepare_material(config, open_source(config), lambda *_: None, lambda: None)


def settings(data: Path, directory: Path) -> RunConfig:
    given = {"data": str(data), "checkpoint_dir": str(directory), "size": "tiny", "folds": 0}
    epochs = {"epochs_head": HEAD, "epochs_finetune": FINETUNE}
    return resolve({**given, **epochs, "image_size": 32, "batch_size": 8})


@pytest.fixture
def recipe(material: Material, tmp_path: Path) -> Callable[..., Recipe]:
    """Makes the job anew, as a process that starts does."""

    def make(at: Callable[[int], None] = lambda number: None, **changes: Any) -> Recipe:
        torch.manual_seed(SEED)
        model = create_backbone(NAME, size="tiny", num_classes=3, image_size=32)
        train_set = Watched(ImageSet(material.cache, range(0, 3 * TRAIN, 3)), at)
        val_set = Watched(ImageSet(material.cache, range(1, 1 + 9 * VAL, 9)))
        with_ = ingredients(model, train_set, val_set)
        return Recipe(settings(Path("digits"), tmp_path), replace(with_, **changes))

    return make


def ingredients(model: Backbone, train_set: Any, val_set: Any) -> Ingredients:
    def enter(stage: str) -> None:
        model.train_head() if stage == "head" else model.train_all()

    def to_input(images: Tensor) -> Tensor:
        return images[:, :32, :32].permute(0, 3, 1, 2) / 255

    def augment(images: Tensor) -> Tensor:
        return to_input(images) + torch.rand(len(images), 1, 1, 1)

    device = torch.device("cpu")
    return Ingredients(model, train_set, val_set, augment, to_input, enter, device, None, True)


def assert_close(
    ours: Trained,
    theirs: Trained,
) -> None:
    torch.testing.assert_close(ours[0], theirs[0], rtol=1e-4, atol=1e-5)
    for row, other in zip(ours[1], theirs[1], strict=True):
        assert row.pop("stage") == other.pop("stage")
        assert row == pytest.approx(other, rel=1e-4)


def assert_same_bits(
    ours: Trained,
    theirs: Trained,
) -> None:
    torch.testing.assert_close(ours[0], theirs[0], rtol=0.0, atol=0.0)
    assert ours[1] == theirs[1]


def head_only(recipe: Recipe) -> Recipe:
    return replace(recipe, config=recipe.config.model_copy(update={"epochs_finetune": 0}))


@pytest.mark.parametrize("autocast", [None, torch.bfloat16])
def test_features_teach_the_head_what_the_images_do(
    open_run: Callable[..., Run], recipe: Callable[..., Recipe], autocast: torch.dtype | None
) -> None:
    """Same weights and history as on images, dropout included; only the last bits may differ."""
    kept = head_only(recipe(autocast=autocast))
    anew = head_only(recipe(autocast=autocast, fixed_images=False))

    assert_close(kept.start(open_run("kept")), anew.start(open_run("anew")))
    assert kept.fetched == [16, 16, 8]  # once, in equal batches, however many epochs
    assert kept.with_.val.sizes == [VAL]
    assert sum(anew.fetched) == TRAIN * HEAD


def test_dropout_of_the_head_is_on_in_training_only(
    open_run: Callable[..., Run], recipe: Callable[..., Recipe]
) -> None:
    """The head learns with dropout and is judged without; the body never runs in training mode."""
    made, seen = head_only(recipe()), []
    model = made.with_.model
    assert isinstance(model, Backbone)

    def note(head: nn.Module, args: tuple[Tensor]) -> None:
        seen.append((head.training, len(args[0])))
        assert not model.training

    model.head.register_forward_pre_hook(note)
    made.start(open_run())

    assert seen == ([(True, 8)] * 5 + [(False, VAL)]) * HEAD


def test_interrupted_in_either_stage_it_ends_with_the_same_bits(
    open_run: Callable[..., Run], recipe: Callable[..., Recipe]
) -> None:
    """Computed again by each process, the features have the same bits: so have the weights."""
    calm = recipe().start(open_run("calm"))
    for steps in (1, 3, 4, 8, 2):  # the last one goes on into finetune
        with pytest.raises(Stopped):
            recipe().start(stopped_after(steps, open_run("hit")))

    assert_same_bits(recipe().start(open_run("hit")), calm)


def stopped_after(steps: int, run: Run) -> Run:
    """Have the run stopped once it has made so many steps."""
    left = iter(range(steps - 1))

    def strike(progress: Progress) -> None:
        if not progress.measured and next(left, None) is None:
            raise Stopped

    run.settings.on_progress, run.settings.show_interval = strike, 0.0
    return run


def test_job_resumed_behind_the_head_stage_computes_no_features(
    open_run: Callable[..., Run], recipe: Callable[..., Recipe]
) -> None:
    """In finetune all images are fetched in training batches, and nothing comes before them."""

    def fail(number: int) -> None:
        if number == 4:  # three batches of features, then the first of finetune
            raise Stopped

    with pytest.raises(Stopped):
        recipe(fail).start(open_run())
    resumed = recipe()
    resumed.start(open_run())

    assert resumed.fetched == [8] * 5
    assert resumed.with_.val.sizes == [12]


def test_signal_is_heard_while_features_are_computed(
    open_run: Callable[..., Run], recipe: Callable[..., Recipe]
) -> None:
    """SIGTERM at the first of three batches ends the job before the second."""

    def terminate(number: int) -> None:
        signal.raise_signal(signal.SIGTERM)

    hit = recipe(terminate)
    with pytest.raises(Interrupted, match="head epoch 0"):
        hit.start(open_run("hit"))
    assert hit.fetched == [16]

    assert_same_bits(recipe().start(open_run("hit")), recipe().start(open_run("calm")))


def test_augmented_head_stage_sees_images_in_every_epoch(
    open_run: Callable[..., Run], recipe: Callable[..., Recipe]
) -> None:
    """With head.augment, for all or for one backbone, no feature is kept."""
    made = head_only(recipe())
    overrides = {NAME: {"head": {"augment": True}}}
    config = resolve({**made.config.model_dump(), "overrides": overrides})
    replace(made, config=config).start(open_run())

    assert made.fetched == [8] * 5 * HEAD


class Scaled(Backbone):
    """A user's backbone that does more in its forward pass than body, pool and head."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(3, 2)

    def forward(self, images: Tensor) -> Tensor:
        """Return twice what the head says."""
        logits: Tensor = self.head(images.mean((2, 3))) * 2
        return logits


@pytest.mark.parametrize("case", ["changing images", "a body that learns", "a moving body", "not"])
def test_features_that_may_change_are_not_kept(recipe: Callable[..., Recipe], case: str) -> None:
    """Images, weights or statistics that change, or another forward pass: the loop is as before."""
    with_ = recipe().with_
    model = with_.model
    assert isinstance(model, Backbone)
    model.train_head()
    assert on_features(with_, 8, lambda: None) is not with_
    if case == "changing images":
        with_ = replace(with_, fixed_images=False)
    elif case == "a body that learns":
        next(model.parameters()).requires_grad_(True)
    elif case == "a moving body":
        next(m for m in model.modules() if isinstance(m, nn.BatchNorm2d)).train()
    else:
        with_ = replace(with_, model=Scaled().train_head())

    assert on_features(with_, 8, lambda: None) is with_


def test_datasets_of_ones_own_are_fetched_in_every_epoch(
    open_run: Callable[..., Run], recipe: Callable[..., Recipe]
) -> None:
    """Others' datasets may vary their images by themselves; a Backbone trains on them as ever."""
    fetched = 0

    class Varying(TensorDataset):
        def __getitem__(self, index: int) -> tuple[Tensor, ...]:
            nonlocal fetched
            fetched += 1
            image, label = super().__getitem__(index)
            return image + torch.rand(()), label

    made = head_only(recipe())
    plain = TensorDataset(torch.rand(TEST, 3, 32, 32), torch.arange(TEST) % 3)
    varying = Varying(torch.rand(TRAIN, 3, 32, 32), torch.arange(TRAIN) % 3)
    sets = SimpleNamespace(train=varying, val=plain, test=plain)
    machine = Machine(torch.device("cpu"), 1, None)
    with open_run().job(NAME, state={"model": made.with_.model}) as job:
        train_and_measure(job, made.config, machine, made.with_.model, sets, ["0", "1", "2"])

    assert fetched == TRAIN * HEAD
