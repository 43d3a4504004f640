"""Holdfast: the job of its own pipeline, with its checkpoints as often as they are by default."""

import shutil

from speed_task import Clock, Setting, parse_arguments, serve

import holdfast
from holdfast.data import ImageSet
from holdfast.pipeline.job import train_and_measure
from holdfast.pipeline.material import Sets
from holdfast.rundir import JobName
from holdfast.training import steps_per_epoch


def main() -> None:
    """Train a job anew, from beginning to end, whenever asked to."""
    options = parse_arguments()
    setting = Setting(options)
    sets = setting.material.sets(JobName(options.backbone))
    cache = setting.material.cache
    few = ImageSet(cache, sets.val.indices[:2])  # the others do not validate
    config, classes = setting.config, setting.material.classes

    def train() -> Clock:
        directory = options.work / "checkpoints"
        shutil.rmtree(directory, ignore_errors=True)
        clock = None
        with holdfast.open(directory, save_interval=config.save_interval) as run:
            for name in run.pending([options.backbone]):
                with run.job(name, device=str(setting.machine.device)) as job:
                    model = setting.make_model()
                    job.track(model=model)
                    steps = steps_per_epoch(len(sets.train), options.batch_size)
                    clock = Clock(model.head, steps)
                    own = Sets(sets.train, few, few)
                    train_and_measure(job, config, setting.machine, model, own, classes)
        assert clock is not None
        return clock

    serve(train)


if __name__ == "__main__":
    main()
