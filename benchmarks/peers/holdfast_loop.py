"""Holdfast: `holdfast.open`, as in examples/plain_loop.py.

Choices: it saves by time and at the end of each epoch; here `job.save()` makes it save each so many
steps, as the others do, and the time never comes. The final weights are read from the file of the
completed job: a run that is killed after it is complete has nothing left to train.
"""

from pathlib import Path

import torch
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

import holdfast


def main() -> None:
    """Train what is not complete yet."""
    options = parse_arguments()
    data = digits()
    with holdfast.open(options.directory, seed=options.seed, save_interval=1e9) as run:
        for name in run.pending(["digits"]):
            run.seed_for(name)
            model = make_model()
            optimizer = make_optimizer(model)
            with run.job(name, state={"model": model, "optimizer": optimizer}) as job:
                position = job.resumed_from
                done = position.epoch * STEPS_PER_EPOCH + position.step if position else 0
                say_start(done)
                for stage in job.stages({"train": EPOCHS}):
                    for _ in stage.epochs():
                        for images, labels in stage.batches(data, BATCH_SIZE):
                            loss = cross_entropy(model(images), labels)
                            optimizer.zero_grad()
                            loss.backward()
                            optimizer.step()
                            job.step(samples=len(labels), loss=loss)
                            done += 1
                            if done % options.save_every == 0:
                                job.save()
                        stage.end_epoch()
                job.complete()
    best = torch.load(Path(options.directory, "digits_best.pth"))
    write_weights(best["model_state_dict"], options.weights)


if __name__ == "__main__":
    main()
