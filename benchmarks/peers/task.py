"""What the four loops train: the same data, the same network, the same command line."""

import argparse
from collections.abc import Mapping

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.utils.data import TensorDataset

EPOCHS = 10
BATCH_SIZE = 32
STEPS_PER_EPOCH = 44
LEARNING_RATE = 1e-3


def parse_arguments() -> argparse.Namespace:
    """Return the directory of the checkpoints, and the options that all loops take."""
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", help="where the checkpoints are")
    parser.add_argument("--weights", required=True, help="file for the weights at the end")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--save-every", type=int, default=20, metavar="STEPS")
    return parser.parse_args()


def digits() -> TensorDataset:
    """Return 1,408 images of digits, which makes 44 whole batches."""
    images, labels = map(torch.from_numpy, load_digits(return_X_y=True))
    count = STEPS_PER_EPOCH * BATCH_SIZE
    return TensorDataset(images[:count].float() / 16, labels[:count])


def make_model() -> nn.Sequential:
    """Return a network with dropout, so that the random generators matter."""
    hidden: list[nn.Module] = []
    for width in (64, 512):
        hidden += [nn.Linear(width, 512), nn.ReLU(), nn.Dropout(0.2)]
    return nn.Sequential(*hidden, nn.Linear(512, 10))


def make_optimizer(model: nn.Module) -> torch.optim.Optimizer:
    """Return AdamW, as every loop has it."""
    return torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=0.01)


def say_start(step: int) -> None:
    """Tell the benchmark that training begins, and after how many steps."""
    print(f"training from step {step}", flush=True)


def write_weights(state: Mapping[str, Tensor], file: str) -> None:
    """Write the final weights under plain names."""
    torch.save({name.rpartition("net.")[2]: value for name, value in state.items()}, file)
