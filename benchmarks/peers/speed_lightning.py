"""Lightning with the usual DataLoader on the folder; no checkpoints, no logging, no validation.

Choices: workers persist from epoch to epoch; images are decoded and resized by them, one at a
time, and augmented by the batch in the training process (by kornia, as in Holdfast: that is
cheaper than in the workers).
"""

import warnings

import lightning
import torch
from images import ImageFiles
from speed_task import Clock, Setting, parse_arguments, serve
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader

from holdfast.data import resize_for
from holdfast.rundir import JobName
from holdfast.training.optim import make_optimizer, make_scheduler


class Classifier(lightning.LightningModule):
    """The network with its augmentation and loss."""

    def __init__(self, setting: Setting, steps: int) -> None:
        super().__init__()
        self.net = setting.make_model()
        self.setting, self.steps, self.prepare = setting, steps, setting.make_prepare()
        self.settings = setting.config.stage(setting.options.backbone, setting.options.stage)

    def on_train_epoch_start(self) -> None:
        """Freeze what the stage freezes."""
        self.setting.enter_stage(self.net)

    def training_step(self, batch: list[Tensor]) -> Tensor:
        """Return the loss of a batch."""
        logits = self.net(self.prepare(batch[0])).float()
        return cross_entropy(logits, batch[1], label_smoothing=self.settings.label_smoothing)

    def configure_optimizers(self) -> dict[str, object]:
        """Return the optimizer, and its schedule by the step."""
        optimizer = make_optimizer(self.net, self.settings)
        epochs = self.setting.options.epochs
        schedule = make_scheduler(optimizer, self.settings, epochs, self.steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def main() -> None:
    """Train whenever asked to."""
    warnings.filterwarnings("ignore")
    options = parse_arguments()
    setting = Setting(options)
    chosen = setting.material.sets(JobName(options.backbone)).train.indices
    files = ImageFiles(setting.source, resize_for(options.image_size), chosen)

    def train() -> Clock:
        batches = DataLoader(
            files,
            options.batch_size,
            shuffle=True,
            num_workers=options.workers,
            persistent_workers=options.workers > 0,
            pin_memory=setting.machine.device.type == "cuda",
        )
        model = Classifier(setting, len(batches))
        clock = Clock(model.net.head, len(batches))
        trainer = lightning.Trainer(
            max_epochs=options.epochs,
            accelerator="cpu" if options.device == "cpu" else "gpu",
            devices=1,
            precision="bf16-mixed" if setting.machine.autocast == torch.bfloat16 else "32-true",
            gradient_clip_val=model.settings.clip_norm,
            enable_checkpointing=False,
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(model, batches)
        return clock

    serve(train)


if __name__ == "__main__":
    main()
