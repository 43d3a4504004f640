"""``holdfast init``."""

import os
import shlex
from pathlib import Path

from holdfast.cli.faults import say
from holdfast.config import settings_template
from holdfast.errors import UsageError
from holdfast.storage import write_atomically


def write_settings(file: Path) -> None:
    """Write a file with every setting and its default; an existing one stays as it is.

    Raises:
        UsageError: something has that name already, or there is no such folder.
        StorageError: the disk refused.
    """
    if os.path.lexists(file):
        raise UsageError(f"{file}: exists, and stays as it is; name another file, or remove it")
    if not file.parent.is_dir():
        raise UsageError(f"{file}: there is no folder {file.parent}; make it, or name another file")
    write_atomically(file, settings_template().encode())
    say(f"✓ Written: {file}, every setting with its default", stderr=False)
    say(
        f"  Change what you like, then: holdfast train --config {shlex.quote(str(file))}",
        stderr=False,
    )
