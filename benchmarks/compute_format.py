"""Which way of computing pays: channels-last and bfloat16 against plain float32, per backbone.

    python benchmarks/compute_format.py [--device cpu|cuda] [--image-size 32] [--size tiny]

Each figure is the time of one training step (forward, backward, fused AdamW) divided by that of
the plain one, alternated in one process, median of the pairs. Below 1 pays.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch

from holdfast.backbones import create_backbone
from holdfast.config import BACKBONES
from holdfast.training import use_deterministic_kernels


def make_step(
    name: str, options: argparse.Namespace, channels_last: bool, bfloat16: bool
) -> Callable[[], None]:
    """Return a training step of a fresh model on fixed random images."""
    torch.manual_seed(0)
    model = create_backbone(
        name, size=options.size, num_classes=10, image_size=options.image_size
    ).to(options.device)
    images = torch.randn(options.batch_size, 3, options.image_size, options.image_size)
    images = images.to(options.device)
    labels = torch.arange(options.batch_size, device=options.device) % 10
    order = torch.channels_last if channels_last else torch.contiguous_format
    model = model.to(memory_format=order)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)

    def step() -> None:
        with torch.autocast(options.device, torch.bfloat16, enabled=bfloat16):
            logits = model(images)
        torch.nn.functional.cross_entropy(logits.float(), labels).backward()
        optimizer.step()
        optimizer.zero_grad()
        if options.device == "cuda":
            torch.cuda.synchronize()

    return step


def seconds(step: Callable[[], None]) -> float:
    """Return how long one step takes."""
    began = time.perf_counter()
    step()
    return time.perf_counter() - began


def main() -> None:
    """Print a row for each backbone."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--size", default="tiny")
    parser.add_argument("--image-size", type=int, default=32)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--pairs", type=int, default=7)
    options = parser.parse_args()
    use_deterministic_kernels()
    print(f"{'backbone':24}{'plain ms':>10}{'ch.-last':>10}{'bf16':>8}{'both':>8}")
    for name in BACKBONES:
        ways = [(False, False), (True, False), (False, True), (True, True)]
        steps = [make_step(name, options, *way) for way in ways]
        for step in steps:
            step(), step()
        rounds = [[seconds(step) for step in steps] for _ in range(options.pairs)]
        plain = statistics.median(times[0] for times in rounds)
        ratios = [statistics.median(t[i] / t[0] for t in rounds) for i in (1, 2, 3)]
        channels_last, bfloat16, both = ratios
        figures = f"{channels_last:10.2f}{bfloat16:8.2f}{both:8.2f}"
        print(f"{name:24}{plain * 1000:10.0f}{figures}", flush=True)


if __name__ == "__main__":
    main()
