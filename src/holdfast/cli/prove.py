"""``holdfast prove``: what is to be proved, what was found."""

import signal
import sys
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

from holdfast.config import RunConfig, resolve
from holdfast.errors import EXIT_COMPLETE, EXIT_JOB_FAILED, UsageError
from holdfast.status import counted

_WIDTH = 80
_HEAD, _FINETUNE = 1, 2  # epochs: every kind of boundary is crossed


def prove_series(flags: Mapping[str, Any], file: Path | None, steps: int, kills: int | None) -> int:
    """Prove Holdfast's own series on a few steps; return the exit code."""
    config = resolve(flags, file)
    few = {
        "epochs_head": min(config.epochs_head, _HEAD),
        "epochs_finetune": min(config.epochs_finetune, _FINETUNE),
        "folds": 0,
        "engine": "local",  # what is proved is the training
    }
    config = config.model_copy(update=few)
    _say(
        f"Proving {counted(len(config.backbones), 'backbone')} ({config.size}, "
        f"{config.image_size} px, batches of {config.batch_size}), {steps} steps an "
        f"epoch, epochs: {_epochs(config)}"
    )
    settings = config.model_dump_json()
    child = [sys.executable, "-m", "holdfast.cli.few_steps", settings, "{dir}", str(steps)]
    return _prove(child, kills, "backbones")


def prove_command(command: Sequence[str], flags: Mapping[str, Any], kills: int | None) -> int:
    """Prove a loop of the user's own; return the exit code.

    Raises:
        UsageError: nothing in the command says where its checkpoints go.
    """
    if flags:
        given = ", ".join(f"--{name.replace('_', '-')}" for name in flags)
        raise UsageError(f"{given}: for Holdfast's own series only; put your loop's after the --")
    if not any("{dir}" in part for part in command):
        raise UsageError(
            "the command has no {dir}: write it where your loop takes its checkpoint directory, so "
            "that each run gets a fresh one (holdfast prove -- python my_loop.py {dir})"
        )
    _say(f"Proving {' '.join(command)}")
    return _prove(command, kills, "jobs")


def _prove(command: Sequence[str], kills: int | None, noun: str) -> int:
    from holdfast.pipeline.proof import prove  # loads torch

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what was started ends with us
    try:
        verdict = prove(command, kills, _say)
    except KeyboardInterrupt:
        _say("Stopped: nothing is proved, and nothing is left behind.")
        raise typer.Exit(130) from None
    for name, fault in verdict.faults.items():
        _say(f"✗ {name} {fault}")
    good, all_ = len(set(verdict.jobs) - verdict.faults.keys()), len(verdict.jobs)
    if not verdict.proved:
        _say(f"✗ {good} of {all_} {noun} have the same bits")
        return EXIT_JOB_FAILED
    struck = len(verdict.resumed)
    some = f", which struck {struck} of them in training" if struck < all_ else ""
    _say(f"✓ {good} of {all_} {noun}: the same bits after {counted(verdict.kills, 'kill')}{some}")
    return EXIT_COMPLETE


def _epochs(config: RunConfig) -> str:
    return ", ".join(f"{stage} {count}" for stage, count in config.stages.items())


def _say(line: str) -> None:
    indent = " " * (len(line) - len(line.lstrip()) + 2)
    typer.echo(
        textwrap.fill(
            line, _WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
        )
    )
    sys.stdout.flush()
