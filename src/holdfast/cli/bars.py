"""Bars in a terminal."""

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn
from rich.progress import Progress as Bars


class TerminalBars:
    """Bars with names, below what is printed; they go when they end."""

    def __init__(self, console: Console) -> None:
        self._bars = Bars(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=16),
            TextColumn("{task.fields[info]}", markup=False),
            console=console,
            transient=True,
        )
        self._tasks: dict[str, TaskID] = {}

    @property
    def keys(self) -> set[str]:
        """The names of the bars that are shown."""
        return set(self._tasks)

    def show(self, key: str, description: str, share: float, info: str) -> None:
        """Make a bar, or move it: ``share`` of it is done."""
        self._bars.start()
        if key not in self._tasks:
            self._tasks[key] = self._bars.add_task("", total=1.0, info="")
        self._bars.update(
            self._tasks[key], description=f"{description:<22}", completed=share, info=info
        )

    def remove(self, key: str) -> None:
        """Take a bar away, if it is there."""
        if key in self._tasks:
            self._bars.remove_task(self._tasks.pop(key))

    def stop(self) -> None:
        """Leave the terminal as it was."""
        self._bars.stop()
