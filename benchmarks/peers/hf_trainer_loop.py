"""HF Trainer: `save_steps` and `trainer.train(resume_from_checkpoint=True)`.

Choices: True raises where no checkpoint is there yet, so its own `get_last_checkpoint` is asked
first, as its example scripts do. The checkpoints are safetensors, its default. `full_determinism`
would set the same seeds and only choose other kernels.
"""

from pathlib import Path

import torch
from task import (
    BATCH_SIZE,
    EPOCHS,
    LEARNING_RATE,
    digits,
    make_model,
    parse_arguments,
    say_start,
    write_weights,
)
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import Dataset
from transformers import Trainer, TrainerCallback, TrainingArguments, set_seed
from transformers.trainer_utils import get_last_checkpoint


class Classifier(nn.Module):
    """The network with its loss, as Trainer wants it."""

    def __init__(self) -> None:
        super().__init__()
        self.net = make_model()

    def forward(self, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Return loss and logits."""
        logits = self.net(images)
        return {"loss": cross_entropy(logits, labels), "logits": logits}


class Digits(Dataset[dict[str, Tensor]]):
    """The images under the names of `Classifier.forward`."""

    def __init__(self) -> None:
        self.items = digits()

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        image, label = self.items[index]
        return {"images": image, "labels": label}


class SayStart(TrainerCallback):
    """Says where training begins."""

    def on_train_begin(self, args, state, control, **kwargs):  # type: ignore[no-untyped-def]
        """Print the step."""
        say_start(state.global_step)


def main() -> None:
    """Train, from the last checkpoint if there is one."""
    options = parse_arguments()
    set_seed(options.seed)
    torch.use_deterministic_algorithms(True)
    arguments = TrainingArguments(
        options.directory,
        seed=options.seed,
        num_train_epochs=EPOCHS,
        per_device_train_batch_size=BATCH_SIZE,
        learning_rate=LEARNING_RATE,
        weight_decay=0.01,
        save_strategy="steps",
        save_steps=options.save_every,
        save_total_limit=3,
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
        use_cpu=True,
    )
    model = Classifier()
    trainer = Trainer(model, arguments, train_dataset=Digits(), callbacks=[SayStart()])
    directory = Path(options.directory)
    begun = directory.is_dir() and get_last_checkpoint(options.directory) is not None
    trainer.train(resume_from_checkpoint=begun)
    write_weights(model.state_dict(), options.weights)


if __name__ == "__main__":
    main()
