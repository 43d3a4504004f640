"""``holdfast.train``: the command as a call, for notebooks and scripts."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from holdfast.status import Status


def train_and_read(config: str | Path | None = None, **settings: Any) -> "Status":
    """Train the series as `holdfast train` does, from Python; return how it then stands.

    In a notebook its bars are below the cell. Interrupting the kernel saves, and the same call
    goes on from there. What failed stands in the status.

    Args:
        config: a settings file, in TOML.
        settings: any fields of `RunConfig`, such as ``data``, ``backbones`` or ``checkpoint_dir``.

    Raises:
        UsageError, DataError: settings or images that cannot be used.
        DirectoryInUseError: another process trains there.
        RecoveryRefusedError: the directory holds a run that these settings would not continue.
        StorageError: the disk refused.
        Interrupted: a signal asked for a stop; everything is saved.
    """
    from holdfast.cli.train import run_with_display, without_addresses
    from holdfast.config import BACKBONES, resolve
    from holdfast.status import read_run

    given = {k: str(v) if isinstance(v, Path) else v for k, v in settings.items()}
    chosen, whom = without_addresses(resolve(given, Path(config) if config else None), given)
    run_with_display(chosen, whom, None)
    return read_run(chosen.checkpoint_dir, BACKBONES)
