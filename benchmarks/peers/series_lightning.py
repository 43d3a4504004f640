"""Lightning training the series: each backbone with its body frozen, then whole.

Choices: the usual DataLoader on the folder, with workers that persist from epoch to epoch; the
best and the last weights are saved each epoch, and a stage ends with its best ones. Images are
augmented by the batch in the training process (by kornia, as in Holdfast: cheaper than one at a
time in the workers). Network, split, optimizer, schedule and augmentation are Holdfast's.
"""

import argparse
import json
import warnings
from pathlib import Path

import lightning
import torch
from images import ImageFiles
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader

from holdfast.backbones import Backbone, create_backbone
from holdfast.config import RunConfig, resolve
from holdfast.data import Augment, FolderSource, open_folder, resize_for, split_indices
from holdfast.training.optim import make_optimizer, make_scheduler


class Classifier(lightning.LightningModule):
    """A backbone in one of its stages."""

    def __init__(self, net: Backbone, config: RunConfig, stage: str, steps: int) -> None:
        super().__init__()
        self.net, self.stage, self.steps = net, stage, steps
        self.epochs = config.stages[stage]
        self.settings = config.stage(config.backbones[0], stage)
        self.augment = Augment(config.image_size, **config.augment.model_dump())
        self.enter_stage()

    def enter_stage(self) -> None:
        """Freeze what the stage freezes; its body is in evaluation mode."""
        self.net.train_head() if self.stage == "head" else self.net.train_all()
        self.augment.train(self.settings.augment)

    def on_train_epoch_start(self) -> None:
        """Lightning has put everything into training mode."""
        self.enter_stage()

    def training_step(self, batch: list[Tensor]) -> Tensor:
        """Return the loss of a batch."""
        logits = self.net(self.augment(batch[0])).float()
        return cross_entropy(logits, batch[1], label_smoothing=self.settings.label_smoothing)

    def validation_step(self, batch: list[Tensor]) -> None:
        """Log the accuracy."""
        right = self.net(self.augment(batch[0])).argmax(1) == batch[1]
        self.log("accuracy", right.float().mean(), batch_size=len(right))

    test_step = validation_step

    def configure_optimizers(self) -> dict[str, object]:
        """Return the optimizer, and its schedule by the step."""
        optimizer = make_optimizer(self.net, self.settings)
        schedule = make_scheduler(optimizer, self.settings, self.epochs, self.steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", type=Path, help="for checkpoints, and results.json")
    parser.add_argument("--data", required=True)
    parser.add_argument("--backbones", required=True)
    parser.add_argument("--image-size", type=int, required=True)
    parser.add_argument("--epochs-head", type=int, required=True)
    parser.add_argument("--epochs-finetune", type=int, required=True)
    parser.add_argument("--patience", type=int, required=True, help="so long that none is early")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--workers", type=int, default=2)
    return parser.parse_args()


def load_sets(source: FolderSource, config: RunConfig, workers: int) -> dict[str, DataLoader]:
    """Return a loader for each part of the split, which is Holdfast's."""
    split = split_indices(source.labels, config.seed, source.split, source.classes)
    side = resize_for(config.image_size)
    return {
        name: DataLoader(
            ImageFiles(source, side, indices),
            config.batch_size * (1 if name == "train" else 2),
            shuffle=name == "train",
            num_workers=workers,
            persistent_workers=workers > 0,
            pin_memory=config.device != "cpu",
        )
        for name, indices in split._asdict().items()
    }


def make_trainer(options: argparse.Namespace, epochs: int, folder: Path) -> lightning.Trainer:
    """Return a trainer that saves best and last."""
    cuda = options.device != "cpu"
    saving = ModelCheckpoint(folder, monitor="accuracy", mode="max", save_top_k=1, save_last=True)
    return lightning.Trainer(
        max_epochs=epochs,
        accelerator="gpu" if cuda else "cpu",
        devices=1,
        precision="bf16-mixed" if cuda and torch.cuda.is_bf16_supported() else "32-true",
        gradient_clip_val=1.0,
        num_sanity_val_steps=0,
        callbacks=[saving],
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


def train(options: argparse.Namespace, name: str) -> float:
    """Train one backbone; return its accuracy on the test part."""
    given = {
        key: getattr(options, key)
        for key in ("data", "image_size", "epochs_head", "epochs_finetune", "patience", "seed")
    }
    config = resolve({**given, "backbones": (name,), "size": "tiny", "device": options.device})
    lightning.seed_everything(config.seed, workers=True, verbose=False)
    source = open_folder(Path(options.data))
    sets = load_sets(source, config, options.workers)
    classes = len(source.classes)
    net = create_backbone(name, size="tiny", num_classes=classes, image_size=config.image_size)
    accuracy = 0.0
    for stage, epochs in config.stages.items():
        model = Classifier(net, config, stage, len(sets["train"]))
        trainer = make_trainer(options, epochs, options.directory / name / stage)
        trainer.fit(model, sets["train"], sets["val"])
        best = torch.load(trainer.checkpoint_callback.best_model_path)
        model.load_state_dict(best["state_dict"])
        if stage == list(config.stages)[-1]:
            accuracy = trainer.test(model, sets["test"], verbose=False)[0]["accuracy"]
    return accuracy


def main() -> None:
    """Train the backbones, write their accuracies."""
    warnings.filterwarnings("ignore")
    options = parse()
    results = {name: train(options, name) for name in options.backbones.split(",")}
    options.directory.mkdir(parents=True, exist_ok=True)
    Path(options.directory, "results.json").write_text(json.dumps(results))


if __name__ == "__main__":
    main()
