"""The loop that one would write by hand: everything in memory, no checkpoints, nothing recorded."""

import torch
from speed_task import Clock, Setting, parse_arguments, serve
from torch.nn.functional import cross_entropy

from holdfast.rundir import JobName
from holdfast.training.optim import make_optimizer, make_scheduler


def main() -> None:
    """Train whenever asked to."""
    options = parse_arguments()
    setting = Setting(options)
    chosen = setting.material.sets(JobName(options.backbone)).train
    images, labels = chosen.__getitems__(range(len(chosen)))
    prepare, machine = setting.make_prepare(), setting.machine
    settings = setting.config.stage(options.backbone, options.stage)
    steps = -(-len(labels) // options.batch_size)

    def train() -> Clock:
        model = setting.make_model()
        clock = Clock(model.head, steps)
        optimizer = make_optimizer(model, settings)
        scheduler = make_scheduler(optimizer, settings, options.epochs, steps)
        learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
        device, format_ = machine.device, machine.autocast
        for _ in range(options.epochs):
            for chosen in torch.randperm(len(labels)).split(options.batch_size):
                x, y = prepare(images[chosen].to(device)), labels[chosen].to(device)
                with torch.autocast(device.type, format_, enabled=format_ is not None):
                    logits = model(x)
                loss = cross_entropy(logits.float(), y, label_smoothing=settings.label_smoothing)
                optimizer.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(learning, settings.clip_norm, foreach=True)
                optimizer.step()
                scheduler.step()
        return clock

    serve(train)


if __name__ == "__main__":
    main()
