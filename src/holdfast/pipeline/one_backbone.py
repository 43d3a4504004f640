"""The guide's ``train_backbone_with_metrics``: one backbone in a loop of the user's own."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from holdfast.checkpoint import read_pth
from holdfast.config import BACKBONES, RunConfig, resolve
from holdfast.data import ImageSet
from holdfast.errors import ConfigError, UsageError
from holdfast.pipeline.job import build_model, train_and_measure
from holdfast.pipeline.machine import Machine, settle
from holdfast.pipeline.material import open_source, prepare_material
from holdfast.rundir import JobName, Result, best_path, is_complete
from holdfast.training import Run, open_run

Trained = tuple[nn.Module, float, dict[str, list[Any]], Result]


@dataclass(frozen=True)
class _Sets:
    train: Any
    val: Any
    test: Any
    classes: list[str]


def train_backbone_with_metrics(
    backbone_name: str,
    model: nn.Module | None = None,
    train_ds: Any = None,
    val_ds: Any = None,
    epochs_head: int | None = None,
    epochs_finetune: int | None = None,
    *,
    checkpoint_dir: str | Path = "checkpoints",
    **settings: Any,
) -> Trained:
    """Train one backbone, from wherever its newest checkpoint stands, and measure it.

    Args:
        backbone_name: the name its checkpoints go by.
        model: any module from images to logits; made by name where there is none.
        train_ds: a map-style dataset of (image, label); an `ImageSet` is augmented, the
            images of any other go to the model as they are. Without one, the demo's digits.
        val_ds: the set that decides when to stop, and that ``metrics`` are measured on.
        epochs_head: epochs in which only the head learns.
        epochs_finetune: epochs in which everything learns.
        checkpoint_dir: where the checkpoints are.
        settings: further fields of `RunConfig`, such as ``batch_size`` or ``data``.

    Returns:
        The model with its best weights, its accuracy, the history (a list for each quantity)
        and all metrics. A completed backbone is not trained again, only loaded.

    Raises:
        RecoveryRefusedError: the directory's run has other numbers of epochs.
        UsageError: ``model`` or ``val_ds`` is missing where it cannot be made up.
    """
    given = {"epochs_head": epochs_head, "epochs_finetune": epochs_finetune, **settings}
    chosen = {key: value for key, value in given.items() if value is not None}
    config = resolve({**chosen, "checkpoint_dir": str(checkpoint_dir)})
    with open_run(
        checkpoint_dir,
        seed=config.seed,
        keep_latest=config.keep_latest,
        overhead=config.overhead,
        save_interval=config.save_interval,
    ) as run:
        _agree_on_stages(run, config, backbone_name)
        machine = settle(config, run.ledger.state.run.get("machine", {}))
        if machine.ranks > 1:
            raise ConfigError(f"ranks: {machine.ranks} asked for; `holdfast train` starts them")
        sets = _sets(run, config, train_ds, val_ds)
        if model is None:
            name = JobName(backbone_name)
            model = build_model(run, config, machine, len(sets.classes), name)
        return _train(run, config, machine, backbone_name, model.to(machine.device), sets)


def _train(
    run: Run, config: RunConfig, machine: Machine, name: str, model: nn.Module, sets: _Sets
) -> Trained:
    path = best_path(run.directory, JobName(name))
    result = run.ledger.state.results.get(JobName(name))
    if result is None or not is_complete(run.ledger.state, JobName(name)) or not path.exists():
        device = str(machine.device)
        with run.job(name, state={"model": model}, device=device) as job:
            result = train_and_measure(job, config, machine, model, sets, sets.classes)
    best = read_pth(path)
    model.load_state_dict(best["model_state_dict"])
    return model, float(result["final_accuracy"]), best["history"], result


def _agree_on_stages(run: Run, config: RunConfig, name: str) -> None:
    recorded = run.ledger.state.run.get("stages")
    if recorded is None:
        series = BACKBONES if name in BACKBONES else [name]
        run.plan({"seed": config.seed, "stages": config.stages}, series)
    elif recorded != config.stages:  # more epochs extend the run, fewer are refused
        state = run.ledger.state
        run.plan({**state.run, "stages": config.stages}, state.backbones)


def _sets(run: Run, config: RunConfig, train_ds: Any, val_ds: Any) -> _Sets:
    if train_ds is None:

        def check() -> None:
            run.stop.check("decoding images")

        with run.stop.listening():
            material = prepare_material(config, open_source(config), lambda *_: None, check)
        sets = material.sets(JobName(""))
        return _Sets(sets.train, sets.val, sets.test, material.classes)
    if val_ds is None:
        raise UsageError("train_backbone_with_metrics: train_ds came without val_ds; give both")
    if isinstance(train_ds, ImageSet):
        return _Sets(train_ds, val_ds, val_ds, list(train_ds.cache.classes))
    labels = {int(val_ds[index][1]) for index in range(len(val_ds))}
    return _Sets(train_ds, val_ds, val_ds, [str(n) for n in range(max(labels) + 1)])
