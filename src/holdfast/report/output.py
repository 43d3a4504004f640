"""The files of a report, written so that a cut leaves the old ones."""

import re
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from holdfast.storage import atomic_writer, make_directory, remove

PAGE = "report.html"
FIGURES = "figures"
_OURS = re.compile(r"(comparison|costs|folds|roc|(curves|confusion|roc)_.+)\.(svg|png)")


def write_all(out: Path, contents: Mapping[str, bytes]) -> None:
    """Write every file below ``out``, all of them whole before the first takes its name.

    So a full disk, a kill or a fault while they are written leaves the old report. The names
    are taken one after the other, the page's last; a kill just then leaves each file old or new,
    never torn. Figures of an earlier report that this one has not are removed.

    Raises:
        StorageError: the disk refused.
    """
    for folder in {(out / name).parent for name in contents} | {out / FIGURES}:
        make_directory(folder)
    ordered = sorted(contents, key=lambda name: name != PAGE)  # the stack ends in reverse
    with ExitStack() as stack:
        for name in ordered:
            file = stack.enter_context(atomic_writer(out / name))
            file.write(contents[name])
            file.flush()  # a full disk says so here
    for path in sorted((out / FIGURES).iterdir()):
        if _OURS.fullmatch(path.name) and f"{FIGURES}/{path.name}" not in contents:
            remove(path)
