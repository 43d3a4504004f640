"""What a command that computes tells on stderr: notices, and a bar where there is a terminal."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from holdfast.status import printable_text


class Working:
    """A context manager; stdout stays for what the command was asked for."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False, markup=False, emoji=False)
        self._bars: Progress | None = None
        self._task: tuple[str, TaskID] | None = None
        self.bad = 0
        """Images that could not be read."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Leave the terminal as it was."""
        self.rest()

    def notice(self, line: str) -> None:
        """Print what a person should know."""
        self._console.print(f"! {line}", soft_wrap=not self._console.is_terminal)

    def bad_image(self, name: str, reason: str) -> None:
        """Name an image that cannot be read."""
        self.bad += 1
        self.notice(f"{printable_text(name)}: {reason}")

    def progress(self, what: str, done: int, total: int) -> None:
        """Move a bar; it goes when all is done."""
        if not self._console.is_terminal:
            return
        if self._task is None or self._task[0] != what:
            self.rest()
            self._bars = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=24),
                MofNCompleteColumn(),
                console=self._console,
                transient=True,
                redirect_stdout=False,  # it may be a pipe
            )
            self._bars.start()
            self._task = (what, self._bars.add_task(what, total=total))
        if self._bars is not None:
            self._bars.update(self._task[1], completed=done)
        if done >= total:
            self.rest()

    def rest(self) -> None:
        """Put the bar away."""
        if self._bars is not None:
            self._bars.stop()
        self._bars = self._task = None


def shortened(text: str, width: int) -> str:
    """Return ``text`` in at most ``width`` columns, without its end where it is longer."""
    return text if len(text) <= width else f"{text[: width - 1]}…"
