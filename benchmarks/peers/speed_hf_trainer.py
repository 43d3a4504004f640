"""HF Trainer with its DataLoader on the folder; no checkpoints, no logging, no validation.

Choices: as in speed_lightning.py.
"""

import warnings

import torch
from images import ImageFiles
from speed_task import Clock, Setting, parse_arguments, serve
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers import Trainer, TrainerCallback, TrainingArguments

from holdfast.data import resize_for
from holdfast.rundir import JobName
from holdfast.training.optim import make_optimizer, make_scheduler


class Classifier(nn.Module):
    """The network with its augmentation and loss, as Trainer wants it."""

    def __init__(self, setting: Setting) -> None:
        super().__init__()
        self.net, self.setting, self.prepare = setting.make_model(), setting, setting.make_prepare()
        self.settings = setting.config.stage(setting.options.backbone, setting.options.stage)

    def train(self, mode: bool = True) -> "Classifier":
        """Trainer calls this before each step; what the stage freezes stays frozen."""
        super().train(mode)
        if mode and self.setting.options.stage == "head":
            self.setting.enter_stage(self.net)
        self.prepare.train(self.setting.options.augment == "on")
        return self

    def forward(self, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Return loss and logits."""
        logits = self.net(self.prepare(images)).float()
        loss = cross_entropy(logits, labels, label_smoothing=self.settings.label_smoothing)
        return {"loss": loss, "logits": logits}


class Named(ImageFiles):
    """The images under the names of `Classifier.forward`."""

    def __getitem__(self, index: int) -> dict[str, object]:  # type: ignore[override]
        image, label = super().__getitem__(index)
        return {"images": image, "labels": label}


class FreezeAgain(TrainerCallback):
    """Undoes what Trainer's own preparation of the model may have changed."""

    def on_epoch_begin(self, args, state, control, **kwargs):  # type: ignore[no-untyped-def]
        """Enter the stage's mode."""
        kwargs["model"].train()


def main() -> None:
    """Train whenever asked to."""
    warnings.filterwarnings("ignore")
    options = parse_arguments()
    setting = Setting(options)
    chosen = setting.material.sets(JobName(options.backbone)).train.indices
    files = Named(setting.source, resize_for(options.image_size), chosen)
    steps = -(-len(files) // options.batch_size)

    def train() -> Clock:
        model = Classifier(setting)
        clock = Clock(model.net.head, steps)
        arguments = TrainingArguments(
            str(options.work / "hf"),
            num_train_epochs=options.epochs,
            per_device_train_batch_size=options.batch_size,
            max_grad_norm=model.settings.clip_norm,
            dataloader_num_workers=options.workers,
            dataloader_persistent_workers=options.workers > 0,
            bf16=setting.machine.autocast == torch.bfloat16,
            save_strategy="no",
            logging_strategy="no",
            report_to="none",
            disable_tqdm=True,
            use_cpu=options.device == "cpu",
        )
        optimizer = make_optimizer(model, model.settings)
        schedule = make_scheduler(optimizer, model.settings, options.epochs, steps)
        Trainer(
            model,
            arguments,
            train_dataset=files,
            optimizers=(optimizer, schedule),
            callbacks=[FreezeAgain()],
        ).train()
        return clock

    serve(train)


if __name__ == "__main__":
    main()
