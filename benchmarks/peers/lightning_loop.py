"""Lightning: `ModelCheckpoint` and `trainer.fit(ckpt_path="last")`.

Choices: `seed_everything(workers=True)` and `deterministic=True` are what its page on
reproducibility asks for. `save_last=True` writes the file that "last" looks for; with
`save_top_k=-1` the earlier checkpoints stay beside it. The temporary file of its atomic save goes
to TMPDIR; the benchmark puts that on the disk of the checkpoints, where the move is a rename. Its
checkpoints hold no state of random generators, so a resume draws another order and other dropout.
"""

import lightning
from lightning.pytorch.callbacks import ModelCheckpoint
from task import (
    BATCH_SIZE,
    EPOCHS,
    digits,
    make_model,
    make_optimizer,
    parse_arguments,
    say_start,
    write_weights,
)
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.optim import Optimizer
from torch.utils.data import DataLoader


class Classifier(lightning.LightningModule):
    """The network with its loss."""

    def __init__(self) -> None:
        super().__init__()
        self.net = make_model()

    def training_step(self, batch: list[Tensor]) -> Tensor:
        """Return the loss of a batch."""
        return cross_entropy(self.net(batch[0]), batch[1])

    def configure_optimizers(self) -> Optimizer:
        """Return the optimizer."""
        return make_optimizer(self)

    def on_train_start(self) -> None:
        """Say where training begins."""
        say_start(self.trainer.global_step)


def main() -> None:
    """Train, from the last checkpoint if there is one."""
    options = parse_arguments()
    lightning.seed_everything(options.seed, workers=True)
    model = Classifier()
    saving = ModelCheckpoint(
        options.directory, save_top_k=-1, save_last=True, every_n_train_steps=options.save_every
    )
    trainer = lightning.Trainer(
        max_epochs=EPOCHS,
        accelerator="cpu",
        devices=1,
        deterministic=True,
        callbacks=[saving],
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    batches = DataLoader(digits(), batch_size=BATCH_SIZE, shuffle=True)
    trainer.fit(model, batches, ckpt_path="last")
    write_weights(model.state_dict(), options.weights)


if __name__ == "__main__":
    main()
