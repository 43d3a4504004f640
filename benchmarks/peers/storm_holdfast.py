"""Holdfast: `holdfast.open` with its defaults; nothing is chosen.

``--save-every`` is not looked at: the interval follows from the overhead it may cost (1 %).
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
from torch.nn.functional import cross_entropy

import holdfast


def main() -> None:
    """Train what is not complete yet."""
    options = parse_arguments()
    data, progress = TrainingImages(options.images, options.augment), Progress(options.progress)
    with holdfast.open(options.directory, seed=options.seed) as run:
        for name in run.pending(["leaves"]):
            run.seed_for(name)
            model = make_model(options.backbone, data.classes).to(options.device)
            optimizer = make_optimizer(model)
            state = {"model": model, "optimizer": optimizer}
            with run.job(name, state=state, device=options.device) as job:
                position = job.resumed_from
                done = position.epoch * data.steps + position.step if position else 0
                progress.starts(done)
                for stage in job.stages({"train": options.epochs}):
                    for _ in stage.epochs():
                        for images, labels in stage.batches(data, BATCH_SIZE):
                            images, labels = images.to(options.device), labels.to(options.device)
                            loss = cross_entropy(model(images), labels)
                            optimizer.zero_grad()
                            loss.backward()
                            optimizer.step()
                            job.step(samples=len(labels), loss=loss)
                            progress.reaches(done := done + 1)
                        stage.end_epoch()
                job.complete()
    best = torch.load(Path(options.directory, "leaves_best.pth"))
    write_weights(best["model_state_dict"], options.weights)


if __name__ == "__main__":
    main()
