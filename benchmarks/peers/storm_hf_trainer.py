"""HF Trainer: `save_steps` and `trainer.train(resume_from_checkpoint=True)`.

Choices: True raises where no checkpoint is there yet, so its own `get_last_checkpoint` is asked
first, as its example scripts do. The interval divides the epoch, so that its end is saved too.
Three checkpoints stay, to have one left where a kill has torn the newest. Clipping, schedule and
logging are off: no other loop has them. `skip_memory_metrics` and the rest are its defaults.
"""

from pathlib import Path

import torch
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
from torch.optim.lr_scheduler import ConstantLR
from transformers import Trainer, TrainerCallback, TrainingArguments, set_seed
from transformers.trainer_utils import get_last_checkpoint


class Classifier(nn.Module):
    """The network with its loss, as Trainer wants it."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Return loss and logits."""
        logits = self.net(images)
        return {"loss": cross_entropy(logits, labels), "logits": logits}


class Named(TrainingImages):
    """The images under the names of `Classifier.forward`."""

    def __getitem__(self, index: int) -> dict[str, Tensor]:  # type: ignore[override]
        image, label = super().__getitem__(index)
        return {"images": image, "labels": label}


class SayProgress(TrainerCallback):
    """Says where training begins, and how far it is."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress

    def on_train_begin(self, args, state, control, **kwargs):  # type: ignore[no-untyped-def]
        """Tell the first step."""
        self.progress.starts(state.global_step)

    def on_step_end(self, args, state, control, **kwargs):  # type: ignore[no-untyped-def]
        """Tell the step."""
        self.progress.reaches(state.global_step)


def main() -> None:
    """Train, from the last checkpoint if there is one."""
    options = parse_arguments()
    set_seed(options.seed)
    torch.use_deterministic_algorithms(True)
    arguments = TrainingArguments(
        options.directory,
        seed=options.seed,
        num_train_epochs=options.epochs,
        per_device_train_batch_size=BATCH_SIZE,
        max_grad_norm=0.0,
        save_strategy="steps",
        save_steps=options.save_every,
        save_total_limit=3,
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
        use_cpu=options.device == "cpu",
    )
    data = Named(options.images, options.augment)
    model = Classifier(make_model(options.backbone, data.classes)).to(options.device)
    optimizer = make_optimizer(model.net)
    trainer = Trainer(
        model,
        arguments,
        train_dataset=data,
        optimizers=(optimizer, ConstantLR(optimizer, factor=1.0)),
        callbacks=[SayProgress(Progress(options.progress))],
    )
    directory = Path(options.directory)
    begun = directory.is_dir() and get_last_checkpoint(options.directory) is not None
    trainer.train(resume_from_checkpoint=begun)
    write_weights(model.state_dict(), options.weights)


if __name__ == "__main__":
    main()
