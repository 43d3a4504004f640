"""`holdfast.open`: a run for anybody's training loop."""

import logging
import signal
from pathlib import Path

from holdfast.storage.objects import located
from holdfast.training.interrupt import StopRequest
from holdfast.training.notebook import JobBars, in_notebook
from holdfast.training.randomness import use_deterministic_kernels
from holdfast.training.run import Run
from holdfast.training.settings import RunSettings

_log = logging.getLogger("holdfast")


def open_run(
    directory: str | Path = "checkpoints",
    *,
    seed: int = 42,
    keep_latest: int = 3,
    overhead: float = 0.01,
    save_interval: float | None = None,
    deterministic: bool = True,
    show: bool = True,
) -> Run:
    """Open a checkpoint directory for training, as its one writer.

    Args:
        directory: created where it does not exist; or a URL, such as ``s3://bucket/run``.
        seed: decides every permutation and random number of the run.
        keep_latest: checkpoints to keep for each job; two good ones are kept at least.
        overhead: the share of the training time that checkpoints may cost; as many are made.
        save_interval: seconds between checkpoints inside an epoch, where not ``overhead`` is to
            decide; the end of each epoch is saved as well.
        deterministic: make torch choose kernels that give the same bits each time. Without
            it a resumed run is as exact as the kernels happen to be.
        show: in a Jupyter notebook, show a bar for each job; elsewhere nothing is shown.

    Raises:
        DirectoryInUseError: another process trains there.
        StorageError: the directory cannot be written, or the store stays away.
    """
    if deterministic:
        use_deterministic_kernels()
    bars = JobBars() if show and in_notebook() else None
    settings = RunSettings(seed, keep_latest, overhead, save_interval, on_progress=bars)
    return Run(located(directory), settings, StopRequest(_announce_stop))


def _announce_stop(number: int) -> None:
    _log.warning("%s: saving, then stopping", signal.Signals(number).name)
