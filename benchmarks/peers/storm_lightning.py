"""Lightning: `ModelCheckpoint` and `trainer.fit(ckpt_path="last")`.

Choices: `save_top_k=0` with `save_last=True` writes one file a save, under a temporary name that
is then moved; nothing is cheaper, and no kill leaves half of it (TMPDIR is on the disk of the
checkpoints). The interval divides the epoch, so that its end is saved too. `seed_everything` and
`deterministic=True` are what its page on reproducibility asks for.
"""

import lightning
from lightning.pytorch.callbacks import ModelCheckpoint
from storm_task import (
    BATCH_SIZE,
    Progress,
    TrainingImages,
    make_model,
    make_optimizer,
    parse_arguments,
    write_weights,
)
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim import Optimizer
from torch.utils.data import DataLoader


class Classifier(lightning.LightningModule):
    """The network with its loss."""

    def __init__(self, net: nn.Module, progress: Progress) -> None:
        super().__init__()
        self.net, self.progress = net, progress

    def training_step(self, batch: list[Tensor]) -> Tensor:
        """Return the loss of a batch."""
        return cross_entropy(self.net(batch[0]), batch[1])

    def configure_optimizers(self) -> Optimizer:
        """Return the optimizer."""
        return make_optimizer(self.net)

    def on_train_start(self) -> None:
        """Say where training begins."""
        self.progress.starts(self.trainer.global_step)

    def on_train_batch_end(self, *_: object) -> None:
        """Say how far it is."""
        self.progress.reaches(self.trainer.global_step)


def main() -> None:
    """Train, from the last checkpoint if there is one."""
    options = parse_arguments()
    lightning.seed_everything(options.seed, workers=True)
    data = TrainingImages(options.images, options.augment)
    model = Classifier(make_model(options.backbone, data.classes), Progress(options.progress))
    saving = ModelCheckpoint(
        options.directory,
        save_top_k=0,
        save_last=True,
        every_n_train_steps=options.save_every,
        enable_version_counter=False,
    )
    trainer = lightning.Trainer(
        max_epochs=options.epochs,
        accelerator="cpu" if options.device == "cpu" else "gpu",
        devices=1,
        deterministic=True,
        callbacks=[saving],
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(model, DataLoader(data, BATCH_SIZE, shuffle=True), ckpt_path="last")
    write_weights(model.net.state_dict(), options.weights)


if __name__ == "__main__":
    main()
