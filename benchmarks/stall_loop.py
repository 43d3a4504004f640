"""The training loop in whose pauses `stall.py` has each way of saving called."""

import argparse
import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peers.savers import Save, Subject
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

import holdfast
from holdfast.backbones import Backbone, create_backbone
from holdfast.checkpoint import storages_of
from holdfast.training import Job

NEVER = 1e12
STEPS_AFTER = {"finetune": 2, "head": 500}
"""Steps that a checkpoint is followed by, as many for each way of saving."""


@dataclass(frozen=True)
class Cycle:
    """What a checkpoint and the steps after it took, in seconds."""

    stall: float
    whole: float


class Loop:
    """A loop of Holdfast's, run a few steps at a time."""

    def __init__(self, job: Job, subject: Subject, learn: Callable[[], None], after: int) -> None:
        self.job, self.subject, self.saver = job, subject, job._saver
        self._learn, self._after = learn, after
        self._waited = 0.0
        self.saver.fence = self._timed(self.saver.fence)
        self.saver.finish = self._timed(self.saver.finish)

    def cycle(self, save: Save) -> Cycle:
        """Make a step, save at its end, go on for some steps; then wait for the disk."""
        self._learn()
        self._synchronise()
        began = time.perf_counter()
        wait = save()
        self.job.step()
        saved = time.perf_counter()
        self._waited = 0.0  # what was waited for in that very step is in it
        for _ in range(self._after):
            self._learn()
            self.job.step()
        waited = self._waited
        self._synchronise()
        ended = time.perf_counter()
        if wait is not None:
            wait()
        self.saver.finish(usual=False)
        return Cycle(saved - began + waited, ended - began)

    def ours(self) -> None:
        """Let the step that is about to end be one that is saved."""
        self.saver.pace.fixed = 0.0
        begin = self.saver.begin

        def begin_once() -> None:
            del self.saver.begin  # the method itself is back
            begin()
            self.saver.pace.fixed = NEVER

        self.saver.begin = begin_once

    def copying(self) -> Save:
        """Return what copies the bytes of a checkpoint of ours to host memory that is warm."""
        sources = [as_bytes(storage) for storage in self.storages().values()]
        pinned = self.subject.device.startswith("cuda")
        targets = [torch.zeros(len(s), dtype=torch.uint8, pin_memory=pinned) for s in sources]

        def copy() -> None:
            for target, source in zip(targets, sources, strict=True):
                target.copy_(source, non_blocking=True)
            self._synchronise()

        return copy

    def storages(self) -> dict[int, torch.UntypedStorage]:
        """Return all that a checkpoint of ours holds."""
        return storages_of(self.job.state.record(self.job.name, self.subject.device))

    def _timed(self, function: Callable[..., None]) -> Callable[..., None]:
        """Add up what ``function`` takes while a snapshot is about."""

        def timed(**options: Any) -> None:
            if self.saver._writing is None:
                return function(**options)
            began = time.perf_counter()
            function(**options)
            self._waited += time.perf_counter() - began
            return None

        return timed

    def _synchronise(self) -> None:
        if self.subject.device.startswith("cuda"):
            torch.cuda.synchronize()


def as_bytes(storage: torch.UntypedStorage) -> Tensor:
    """Return a storage as a tensor of bytes."""
    empty = torch.empty(0, dtype=torch.uint8, device=storage.device)
    return empty.set_(storage, 0, (storage.nbytes(),))


@contextmanager
def loop_in(stage: str, subject: Subject, directory: Path) -> Iterator[Loop]:
    """Begin a stage, and lend a loop that is inside it."""
    forward = forward_of(stage, subject)
    state = {"model": subject.model, "optimizer": subject.optimizer}
    with holdfast.open(directory, save_interval=NEVER) as run:
        list(run.pending(["subject"]))
        with run.job("subject", state=state, device=subject.device) as job:
            part = next(job.stages({stage: 1}))
            epochs = part.epochs(still(subject.model) if stage == "head" else ())
            next(epochs)
            batches = part.batches(Forever(subject), len(subject.labels))

            def learn() -> None:
                next(batches)
                loss = cross_entropy(forward(), subject.labels)
                subject.optimizer.zero_grad()
                loss.backward()
                subject.optimizer.step()

            yield Loop(job, subject, learn, STEPS_AFTER[stage])


def make_subject(stage: str, options: argparse.Namespace, directory: Path) -> Subject:
    """Return a model with its AdamW, whose state is there."""
    directory.mkdir()
    torch.manual_seed(0)
    size, side = options.size, options.image_size
    model = create_backbone(options.backbone, size=size, num_classes=10, image_size=side)
    # HF Trainer's safetensors refuse weights that lie channels-last
    model.to(options.device, memory_format=torch.contiguous_format)
    if stage == "head":
        model.train_head()
    images = torch.randn(options.batch_size, 3, side, side, device=options.device)
    labels = torch.arange(options.batch_size, device=options.device) % 10
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(learning, lr=1e-4, fused=True)
    cross_entropy(model(images), labels).backward()
    optimizer.step()
    return Subject(model, optimizer, images, labels, directory, options.device)


def forward_of(stage: str, subject: Subject) -> Callable[[], Tensor]:
    """Return what gives the logits; in the head stage from features computed once."""
    model, images = subject.model, subject.images
    if stage != "head":
        return lambda: model(images)
    assert isinstance(model, Backbone)
    with torch.no_grad():
        features = model.forward_head(model.forward_features(images), pre_logits=True)
    return lambda: model.head(features)


def still(model: nn.Module) -> list[Tensor]:
    """Return what does not change in the head stage: all but the head."""
    state = itertools.chain(model.named_parameters(), model.named_buffers())
    return [tensor for name, tensor in state if not name.startswith("head.")]


class Forever:
    """The same batch, more often than this ever asks for it."""

    def __init__(self, subject: Subject) -> None:
        self.batch = subject.images, subject.labels

    def __len__(self) -> int:
        return 200_000 * len(self.batch[1])

    def __getitem__(self, index: int) -> Any:
        return self.batch[0][index], self.batch[1][index]

    def __getitems__(self, indices: Any) -> Any:
        """Return a whole batch."""
        return self.batch
