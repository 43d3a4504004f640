"""Processes that follow a journal while it is written, and are killed at any moment."""

import os
import random
import signal
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from tests.tracking.journals import NET, RUN_ID, WIDE, Training


def train_under_kills(
    run: Path,
    follow: Callable[[], AbstractContextManager[None]],
    kills: int,
    longest: float,
    run_id: str = RUN_ID,
) -> int:
    """Write the journal of two jobs, while process after process follows it and is killed.

    The last process is not killed. Each is a fork of this one, which has the tools imported; one
    lives for ``longest`` seconds at most. Returns how many were killed at work.
    """
    chance, training, struck = random.Random(7), Training(run, run_id), 0
    steps = [(job, number) for job in (NET, WIDE) for number in range(6)]
    for number in range(kills):
        child = _follower(follow, killed=True)
        for job, step in steps[number * len(steps) // kills : (number + 1) * len(steps) // kills]:
            _write(training, job, step, chance)
        time.sleep(chance.uniform(0.0, longest))
        os.kill(child, signal.SIGKILL)
        struck += os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    last = _follower(follow, killed=False)
    assert os.waitstatus_to_exitcode(os.waitpid(last, 0)[1]) == 0
    return struck


def _write(training: Training, job: str, step: int, chance: random.Random) -> None:
    if step == 0:
        training.begin(job)
    elif chance.random() < 0.5:
        training.resume(job, "head" if step <= 2 else "finetune", (step - 1) % 2, step=3)
    if step:
        training.epochs(job, step)
    if step == 5:
        training.complete(job)


def _follower(follow: Callable[[], AbstractContextManager[None]], *, killed: bool) -> int:
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        with follow():
            while killed:
                time.sleep(1)
        status = 0
    finally:
        os._exit(status)
