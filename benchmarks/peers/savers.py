"""How each peer saves model and optimizer, as one call between two training steps.

Each is made once, by whatever its documents ask for, and then called at the end of a step in the
loop of `stall.py`. Where a peer saves from inside its own loop, that loop makes one step first, so
that all it holds is there. A call returns what still has to be waited for, or None.
"""

import os
import shutil
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, Dataset

Wait = Callable[[], Any]
Save = Callable[[], Wait | None]


@dataclass(frozen=True)
class Subject:
    """What is saved, and a batch to train it on."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    images: Tensor
    labels: Tensor
    directory: Path
    device: str


@dataclass(frozen=True)
class Saver:
    """One way of saving."""

    title: str
    package: str
    make: Callable[[Subject], Save]


def states(subject: Subject) -> dict[str, Any]:
    """Return what every loop of one's own saves."""
    return {
        "model": subject.model.state_dict(),
        "optimizer": subject.optimizer.state_dict(),
    }


def torch_save(subject: Subject) -> Save:
    return lambda: torch.save(states(subject), subject.directory / "plain.pth")


def durable_torch_save(subject: Subject) -> Save:
    part, path = subject.directory / "durable.tmp", subject.directory / "durable.pth"

    def save() -> None:
        with part.open("wb") as file:
            torch.save(states(subject), file)
            file.flush()
            os.fsync(file.fileno())
        part.rename(path)
        directory = os.open(subject.directory, os.O_RDONLY)
        os.fsync(directory)
        os.close(directory)

    return save


def dcp_async_save(subject: Subject) -> Save:
    """The default: what is saved is copied to the host by the call, into new memory."""
    import torch.distributed.checkpoint as dcp

    path = subject.directory / "dcp"

    def save() -> Wait:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a single process
            return dcp.async_save(states(subject), checkpoint_id=str(path)).result

    return save


def dcp_async_save_reusing(subject: Subject) -> Save:
    """The same with a stager of one's own: the copy's memory is kept for the next, warm."""
    import torch.distributed.checkpoint as dcp
    from torch.distributed.checkpoint.staging import DefaultStager, StagingOptions

    path, cuda = subject.directory / "dcp_reusing", subject.device != "cpu"
    stager = DefaultStager(StagingOptions(cuda, False, False, cuda))

    def save() -> Wait:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            state = states(subject)
            return dcp.async_save(state, checkpoint_id=str(path), async_stager=stager).result

    return save


def accelerate_save_state(subject: Subject) -> Save:
    from accelerate import Accelerator

    accelerator = Accelerator(cpu=subject.device == "cpu")
    accelerator.prepare(subject.model, subject.optimizer)
    return lambda: _silent(accelerator.save_state(str(subject.directory / "accelerate")))


def lightning_checkpoint_io(subject: Subject) -> Save:
    """Only the writing, of plain state dicts."""
    from lightning.pytorch.plugins.io import TorchCheckpointIO

    io, path = TorchCheckpointIO(), subject.directory / "io.ckpt"
    return lambda: io.save_checkpoint(states(subject), path)


def lightning_trainer(subject: Subject) -> Save:
    """`trainer.save_checkpoint`, which is what its `ModelCheckpoint` calls."""
    import lightning

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = subject.model

        def training_step(self, batch: list[Tensor]) -> Tensor:
            return cross_entropy(self.net(batch[0]), batch[1])

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return subject.optimizer

    trainer = lightning.Trainer(
        max_steps=1,
        accelerator="cpu" if subject.device == "cpu" else "gpu",
        devices=1,
        default_root_dir=subject.directory,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(Module(), DataLoader(_Items(subject), batch_size=len(subject.labels)))
    _to_device(subject)  # it has moved them to the host
    return lambda: trainer.save_checkpoint(subject.directory / "trainer.ckpt")


def hf_trainer(subject: Subject) -> Save:
    """The method of Trainer that its `save_steps` come to."""
    from transformers import PrinterCallback, Trainer, TrainingArguments

    class Module(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = subject.model

        def forward(self, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
            logits = self.net(images)
            return {"loss": cross_entropy(logits, labels), "logits": logits}

    arguments = TrainingArguments(
        str(subject.directory / "hf"),
        max_steps=1,
        per_device_train_batch_size=len(subject.labels),
        save_strategy="no",
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
        use_cpu=subject.device == "cpu",
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(subject.optimizer, lambda _: 1.0)
    trainer = Trainer(
        Module(),
        arguments,
        train_dataset=_Items(subject, named=True),
        optimizers=(subject.optimizer, schedule),
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    return lambda: trainer._save_checkpoint(trainer.model, trial=None)


SAVERS = (
    Saver("`torch.save`", "torch", torch_save),
    Saver("`torch.save` + fsync + rename", "torch", durable_torch_save),
    Saver("DCP `async_save`", "torch", dcp_async_save),
    Saver("DCP `async_save`, memory reused", "torch", dcp_async_save_reusing),
    Saver("Accelerate `save_state`", "accelerate", accelerate_save_state),
    Saver("Lightning `TorchCheckpointIO`", "lightning", lightning_checkpoint_io),
    Saver("Lightning `trainer.save_checkpoint`", "lightning", lightning_trainer),
    Saver("HF Trainer", "transformers", hf_trainer),
)


def clean(directory: Path) -> None:
    """Remove what the peers wrote, and let the disk come to rest."""
    for path in directory.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    os.sync()


class _Items(Dataset[Any]):
    def __init__(self, subject: Subject, named: bool = False) -> None:
        self.images, self.labels = subject.images.cpu(), subject.labels.cpu()
        self.named = named

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Any:
        image, label = self.images[index], self.labels[index]
        return {"images": image, "labels": label} if self.named else (image, label)


def _to_device(subject: Subject) -> None:
    subject.model.to(subject.device)
    for state in subject.optimizer.state.values():
        for key, value in state.items():
            if isinstance(value, Tensor):
                state[key] = value.to(subject.device)


def _silent(_: Any) -> None:
    """Drop what a call returned."""
