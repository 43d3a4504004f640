"""Bars in a Jupyter notebook: HTML that is replaced in place; needs IPython alone, no widgets."""

import sys
import time
from dataclasses import dataclass, field
from html import escape
from typing import Any

from holdfast.training.settings import Progress

_REST = 0.25  # seconds between two drawings, each of which is a message to the browser
_TABLE = '<table style="width:auto;text-align:left">'
_CELL = '<td style="text-align:left;white-space:nowrap;padding:0.1em 0.6em">'


def in_notebook() -> bool:
    """Tell whether a Jupyter kernel runs this; IPython in a terminal is a terminal."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return getattr(shell, "kernel", None) is not None


@dataclass
class NotebookBars:
    """Bars with names, below the cell that made the first of them; they stay when they end."""

    _bars: dict[str, tuple[str, float, str]] = field(default_factory=dict)
    _handle: Any = None
    _drawn_at: float = 0.0

    @property
    def keys(self) -> set[str]:
        """The names of the bars that are shown."""
        return set(self._bars)

    def show(self, key: str, description: str, share: float, info: str) -> None:
        """Make a bar, or move it: ``share`` of it is done."""
        self._bars[key] = (description, share, info)
        if time.monotonic() - self._drawn_at >= _REST:
            self._draw()

    def remove(self, key: str) -> None:
        """Take a bar away, if it is there."""
        if self._bars.pop(key, None) is not None:
            self._draw()

    def stop(self) -> None:
        """Draw what the last of the moves have changed."""
        if self._handle is not None:
            self._draw()

    def _draw(self) -> None:
        import IPython.display

        display: Any = IPython.display.display  # which has no types
        self._drawn_at = time.monotonic()
        bundle = {"text/html": self._html(), "text/plain": self._text()}
        if self._handle is None:
            self._handle = display(bundle, raw=True, display_id=True)
        else:
            self._handle.update(bundle, raw=True)

    def _html(self) -> str:
        rows = (
            f"<tr>{_CELL}{escape(description)}</td>"
            f'{_CELL}<progress max="1" value="{share:.4f}"></progress></td>'
            f"{_CELL}{escape(info)}</td></tr>"
            for description, share, info in self._bars.values()
        )
        return f"{_TABLE}{''.join(rows)}</table>" if self._bars else "<span></span>"

    def _text(self) -> str:
        lines = (f"{d:<22} {share:>4.0%}  {info}" for d, share, info in self._bars.values())
        return "\n".join(lines)


@dataclass
class JobBars:
    """A bar for each job of somebody's own loop; given to `RunSettings.on_progress`."""

    bars: NotebookBars = field(default_factory=NotebookBars)

    def __call__(self, progress: Progress) -> None:
        """Move the bar of a job."""
        position, job = progress.position, str(progress.job)
        epoch = position.epoch if progress.measured else position.epoch + 1
        figures = progress.measured or progress.means
        parts = [
            f"{position.stage} epoch {min(epoch, progress.epochs)}/{progress.epochs}",
            *(f"{name} {value:.4g}" for name, value in figures.items()),
        ]
        self.bars.show(job, job, min(progress.fraction, 1.0), "  ".join(parts))
        if progress.measured:
            self.bars.stop()
