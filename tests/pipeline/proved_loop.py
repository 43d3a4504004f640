"""A loop of one's own, with everything in it that makes training inexact, one job for each.

python proved_loop.py DIR JOB,JOB,…
"""

import random
import sys
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import Dataset

import holdfast

UNSEEDED = random.SystemRandom()


class Points(Dataset[tuple[Tensor, int]]):
    """Twelve points in two classes, moved by chance where there is one."""

    def __init__(self, chance: random.Random | None) -> None:
        generator = torch.Generator().manual_seed(5)
        self.inputs = torch.randn(12, 4, generator=generator)
        self.labels = (self.inputs.sum(1) > 0).long().tolist()
        self.chance = chance

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        moved = self.chance.random() if self.chance else 0.0
        return self.inputs[index] + moved, self.labels[index]


class Net(nn.Module):
    """Two layers, dropout and python's own random numbers, all exact; and what a job adds."""

    def __init__(self, job: str) -> None:
        super().__init__()
        self.first, self.fc = nn.Linear(4, 8), nn.Linear(8, 2)
        self.chance = {"model_draws": UNSEEDED, "model_draws_seeded": random.Random(1)}.get(job)
        self.counts = job == "hidden_buffer"
        self.register_buffer("calls", torch.zeros(()), persistent=False)
        if job == "backward_draws":
            self.fc.bias.register_hook(lambda gradient: gradient * UNSEEDED.random())

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the logits."""
        if self.counts:
            self.calls += 1
        noise = self.chance.gauss(0.0, 0.1) if self.chance else 0.1 * random.random()
        hidden = nn.functional.dropout(self.first(inputs), 0.2, self.training)
        return self.fc(hidden.relu() * (1 + noise) + 0.01 * self.calls)


class Momentum:
    """SGD with momentum, without the second that torch's optimizers take to import."""

    def __init__(self, model: nn.Module) -> None:
        self.parameters = list(model.parameters())
        self.speeds = [torch.zeros_like(p) for p in self.parameters]
        self.noise = 0.0

    def step(self) -> None:
        """Go down the gradients."""
        with torch.no_grad():
            for parameter, speed in zip(self.parameters, self.speeds, strict=True):
                speed.mul_(0.9).add_(parameter.grad + self.noise)
                parameter.sub_(0.05 * speed)

    def state_dict(self) -> dict[str, Any]:
        """Return the momentum."""
        return {"speeds": self.speeds}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take the momentum back."""
        for speed, saved in zip(self.speeds, state["speeds"], strict=True):
            speed.copy_(saved)


def train(run: Any, name: str) -> None:
    """Train one job: two stages of two epochs of three steps."""
    chance = {"transform_draws": UNSEEDED, "transform_draws_seeded": random.Random(1)}.get(name)
    if name != "unseeded_weights":
        run.seed_for(name)
    model, data = Net(name), Points(chance)
    measuring = {
        "evaluation_draws": UNSEEDED,
        "evaluation_draws_globally": random,
        "evaluation_draws_seeded": random.Random(1),
    }.get(name)
    optimizer = Momentum(model)
    state = {"model": model, "optimizer": optimizer}
    if name == "untracked_optimizer":
        del state["optimizer"]
    with run.job(name, state=state) as job:
        for stage in job.stages({"head": 2, "finetune": 2}):
            for _ in stage.epochs():
                for inputs, labels in stage.batches(data, batch_size=4):
                    loss = cross_entropy(model(inputs), labels)
                    model.zero_grad()
                    loss.backward()
                    if name == "optimizer_draws":
                        optimizer.noise = UNSEEDED.random()
                    optimizer.step()
                    job.step(samples=len(labels), loss=loss)
                    if name == "changed_after_the_step":
                        optimizer.speeds[0].mul_(0.5)
                stage.end_epoch(accuracy=measuring.random() if measuring else 0.5)
        job.complete(accuracy=UNSEEDED.random() if name == "result_draws" else 0.5)


if __name__ == "__main__":
    with holdfast.open(sys.argv[1]) as opened:
        for job_name in opened.pending(sys.argv[2].split(",")):
            train(opened, job_name)
