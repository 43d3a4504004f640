"""The view of a run that goes on: it fits any terminal, and keeps what matters."""

from io import StringIO

import pytest
from rich.console import Console

from holdfast.config import BACKBONES
from holdfast.status import (
    COMPLETE,
    FAILED,
    PENDING,
    STARTED,
    JobStatus,
    Status,
    live_view,
)
from holdfast.status.saving import Saving

FOLDS = 3


def job(name: str, state: str, fold: int | None = None) -> JobStatus:
    full = f"{name}_fold{fold}" if fold else name
    if state == STARTED:
        at = {"stage": "finetune", "epoch": 249, "epochs": 250, "step": 9}
        return JobStatus(full, name, fold, state, interruptions=2, measured={"val_acc": 0.5}, **at)
    result = {"final_accuracy": 0.987654321, "f1": 0.9} if state == COMPLETE else {}
    error = "RuntimeError: out of\nmemory \x1b[31m" + "x" * 300 if state == FAILED else None
    return JobStatus(full, name, fold, state, result=result, error=error, seconds=3599999.0)


def series(*states: str) -> Status:
    """All backbones in these states, one after the other, each with folds; one in training."""
    chosen = [*states, *[PENDING] * (len(BACKBONES) - len(states))]
    full = [job(name, state) for name, state in zip(BACKBONES, chosen, strict=True)]
    folds = [job(n, PENDING, fold) for n in BACKBONES for fold in range(1, FOLDS + 1)]
    folds[0] = job(BACKBONES[0], STARTED, 1)
    done = states.count(COMPLETE)
    return Status(
        *("/tmp/\x1b[31mrun", True, 15, done, 15 - done, None, None, None, None),
        *([*full, *folds], "", 0, [], {"head": 4, "finetune": 250}, []),
        begun=True,
        training="process 1 on a-rather-long-host-name, since 2026-01-01T00:00:00",
        saving=Saving("x", 12.0, 3.0, 0.0081, 4.2),
        time_left=7260.0,
    )


def shown(status: Status, columns: int, lines: int | None = None) -> list[str]:
    out = StringIO()
    view = live_view(status, "Read at 12:00:00, every 2 s.", columns, lines)
    Console(file=out, width=columns, highlight=False).print(view)
    return out.getvalue().splitlines()


MIXED = (COMPLETE, STARTED, FAILED, COMPLETE, STARTED)


@pytest.mark.parametrize("columns", [20, 40, 80, 132])
@pytest.mark.parametrize("lines", [8, 12, 24, 30, 90, None])
def test_view_fits_the_terminal(columns: int, lines: int | None) -> None:
    """No line is too long and none too many, however small the terminal is."""
    seen = shown(series(*MIXED), columns, lines)
    assert max(map(len, seen)) <= columns
    assert lines is None or len(seen) <= lines
    assert "\x1b" not in "\n".join(seen)


def test_everything_is_there_where_there_is_room() -> None:
    """How far, how long still, what a crash costs, what was survived, and each job's standing."""
    text = "\n".join(shown(series(*MIXED), 100))
    for words in (
        "Complete:   2 of 15 backbones, 0 of 45 folds\n",
        "Left:       about 2.0 h; 6 interruptions survived",
        "process 1 on a-rather-long-host-name",
        "every 12 s, 0.8% of the time so far; a crash now loses 4.2 s",
        "✗ CustomGhostNetV2: RuntimeError: out of\\nmemory \\x1b[31mx",
        "✓ CustomConvNeXt         complete            0.9877    0/3",
        "▸   fold 1               finetune 249/250    0.5000",
        "▸ CustomEfficientNetV4   finetune 249/250    0.5000    0/3",
        "· CustomDynamicConvNet   pending                       0/3",
    ):
        assert words in text, text
    assert text.count("fold ") == 45


def test_80_columns_need_no_abbreviation() -> None:
    """Every column and every name is whole at 80 columns, at its longest."""
    lines = shown(series(*MIXED), 80)
    heading = next(line for line in lines if line.startswith("Backbone"))
    assert heading.split() == ["Backbone", "State", "Accuracy", "Folds", "Time", "Resumed"]
    assert "…" not in "".join(lines[lines.index(heading) :])
    assert all(any(name in line for line in lines) for name in BACKBONES)


def test_folds_become_counts_before_anything_is_left_out() -> None:
    """In 26 lines all backbones have their row, and so has the one fold in training."""
    lines = shown(series(COMPLETE, STARTED), 80, 26)
    assert all(any(f" {name} " in line for line in lines) for name in BACKBONES)
    assert [line.split()[1:3] for line in lines if " fold " in line] == [["fold", "1"]]
    assert not any("more:" in line for line in lines)


def test_what_is_in_training_or_failed_keeps_its_row() -> None:
    """In few lines the others are counted, wherever in the series the busy ones are."""
    states = [COMPLETE] * 11 + [STARTED, FAILED]
    text = "\n".join(shown(series(*states), 80, 16))
    assert f"▸ {BACKBONES[11]}" in text
    assert f"✗ {BACKBONES[12]}" in text
    assert "more: " in text
    counts = text.partition("more: ")[2].splitlines()[0]
    assert "complete" in counts
    assert "2 pending" in counts


def test_narrow_terminal_drops_columns_not_names() -> None:
    """At 40 columns the name and the standing are whole."""
    lines = shown(series(COMPLETE, COMPLETE), 42)
    assert any("▸   fold 1               finetune 249/250" in line for line in lines)
    assert any(line.startswith("· CustomSwinTransformer  pending") for line in lines)
