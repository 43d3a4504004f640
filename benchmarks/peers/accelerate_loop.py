"""Accelerate: automatic checkpoint naming, `load_state()` of the newest, `skip_first_batches`.

Choices: `load_state` does not say where in the data it is, so a registered object keeps the steps
done. It does not set the number of the next checkpoint either, without which the next `save_state`
raises. `use_seedable_sampler` is the way to a reproducible order that needs no further package;
`set_epoch` gives a resumed epoch its own order back. So the order is right after a resume inside
an epoch (checked); the dropout is not: the new loader's iterator draws from the generator that
`load_state` restored. `use_stateful_dataloader=True` (package torchdata), with and without the
seedable sampler, was tried and came to other bits as well.
"""

from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import DataLoaderConfiguration, ProjectConfiguration, set_seed
from task import (
    BATCH_SIZE,
    EPOCHS,
    STEPS_PER_EPOCH,
    digits,
    make_model,
    make_optimizer,
    parse_arguments,
    say_start,
    write_weights,
)
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader


class Steps:
    """The optimizer steps done, saved with the state."""

    def __init__(self) -> None:
        self.done = 0

    def state_dict(self) -> dict[str, int]:
        """Return the count."""
        return {"done": self.done}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Take the count over."""
        self.done = state["done"]


def load_newest(accelerator: Accelerator, directory: str) -> None:
    """Load the newest checkpoint if there is one."""
    numbers = [int(p.name.split("_")[1]) for p in Path(directory).glob("checkpoints/checkpoint_*")]
    if numbers:
        accelerator.load_state()
        accelerator.project_configuration.iteration = max(numbers) + 1


def main() -> None:
    """Train, from the newest checkpoint if there is one."""
    options = parse_arguments()
    set_seed(options.seed)
    torch.use_deterministic_algorithms(True)
    accelerator = Accelerator(
        cpu=True,
        project_config=ProjectConfiguration(
            options.directory, automatic_checkpoint_naming=True, total_limit=3
        ),
        dataloader_config=DataLoaderConfiguration(use_seedable_sampler=True),
    )
    model = make_model()
    model, optimizer, batches = accelerator.prepare(
        model, make_optimizer(model), DataLoader(digits(), batch_size=BATCH_SIZE, shuffle=True)
    )
    steps = Steps()
    accelerator.register_for_checkpointing(steps)
    load_newest(accelerator, options.directory)

    say_start(steps.done)
    first, skip = divmod(steps.done, STEPS_PER_EPOCH)
    for epoch in range(first, EPOCHS):
        batches.set_epoch(epoch)
        resuming = skip and epoch == first
        for images, labels in (
            accelerator.skip_first_batches(batches, skip) if resuming else batches
        ):
            loss = cross_entropy(model(images), labels)
            optimizer.zero_grad()
            accelerator.backward(loss)
            optimizer.step()
            steps.done += 1
            if steps.done % options.save_every == 0:
                accelerator.save_state()
    write_weights(accelerator.unwrap_model(model).state_dict(), options.weights)


if __name__ == "__main__":
    main()
