"""Two small networks learn to read digits. Kill it anywhere; the same command goes on:

python examples/plain_loop.py checkpoints
"""

import argparse

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import TensorDataset

import holdfast

CHANNELS = {"narrow": 8, "wide": 24}
EPOCHS = 12

images, labels = map(torch.from_numpy, load_digits(return_X_y=True))
images = images.float().reshape(-1, 1, 8, 8) / 16
train, test = TensorDataset(images[:1400], labels[:1400]), (images[1400:], labels[1400:])


def make_model(c: int) -> nn.Module:
    """Return a network of ``c`` channels."""
    features = [nn.Conv2d(1, c, 3), nn.BatchNorm2d(c), nn.ReLU(), nn.Conv2d(c, 2 * c, 3), nn.ReLU()]
    return nn.Sequential(*features, nn.Flatten(), nn.Dropout(0.2), nn.Linear(32 * c, 10))


def accuracy(model: nn.Module) -> float:
    """Return the share of test images that are read right."""
    with torch.no_grad():
        return (model.eval()(test[0]).argmax(1) == test[1]).float().mean().item()


def main(directory: str, save_interval: float) -> None:
    """Train what is not complete yet."""
    with holdfast.open(directory, save_interval=save_interval) as run:
        for name in run.pending(list(CHANNELS)):
            run.seed_for(name)  # the same first weights each time
            model = make_model(CHANNELS[name])
            optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
            scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS)

            state = {"model": model, "optimizer": optimizer, "scheduler": scheduler}
            with run.job(name, state=state) as job:
                for stage in job.stages({"train": EPOCHS}):
                    for epoch in stage.epochs():
                        model.train()
                        for x, y in stage.batches(train, batch_size=32):
                            loss = cross_entropy(model(x), y)
                            optimizer.zero_grad()
                            loss.backward()
                            optimizer.step()
                            job.step(samples=len(y), loss=loss)
                        scheduler.step()
                        stage.end_epoch(accuracy=accuracy(model))
                        print(f"{name} epoch {epoch}: {job.history[-1]['val_acc']:.4f}")
                job.complete(accuracy=accuracy(model))


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("directory")
    options.add_argument("--save-interval", type=float, default=60.0, metavar="SECONDS")
    main(**vars(options.parse_args()))
