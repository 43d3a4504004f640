"""The status as text, for a terminal of 80 columns and for a file."""

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from holdfast.config import BACKBONES
from holdfast.rundir import (
    JobName,
    Journal,
    Position,
    RecoveryState,
    checkpoint_path,
    load_state,
    save_state,
    set_aside,
)
from holdfast.status import (
    Status,
    human_bytes,
    read_status,
    render_text,
    results_table,
    resume_lines,
)
from tests.status.whole import write_whole

LONG = "RuntimeError: Error(s) in loading\n  state_dict:\n\tsize mismatch " + "for layer.0 " * 30
UNBROKEN = "OSError: " + "/very/long/path" * 20


@pytest.fixture
def crowded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """All fifteen backbones with everything at its longest."""
    monkeypatch.chdir(tmp_path)
    directory = Path("checkpoints")
    directory.mkdir()
    names = BACKBONES
    complete, started, failed = names[:6], names[6:11], names[11:]
    state = RecoveryState(
        backbones=names,
        folds=dict.fromkeys(names, 10),
        run={"stages": {"head": 400, "finetune": 250}},
        failed={
            JobName(name): error for name, error in zip(failed, [LONG, UNBROKEN] * 2, strict=True)
        },
    )
    state.failed[JobName(names[0], 10)] = LONG
    journal = Journal(directory)
    for name in complete:
        for job in (JobName(name), *(JobName(name, fold) for fold in range(1, 10))):
            state.results[job] = {"final_accuracy": 0.987654321, "f1": 0.987654321}
            journal.append("job_completed", job=str(job), result=state.results[job], seconds=1e6)
    for name in started:
        for job in (JobName(name), JobName(name, 10)):
            write_whole(checkpoint_path(directory, job, Position("finetune", 249, 99999)))
    save_state(directory, state)
    return directory


def test_every_line_fits_80_columns(crowded: Path) -> None:
    """With all fifteen backbones, folds, and errors of any length and shape."""
    lines = render_text(read_status(crowded)).splitlines()
    assert [line for line in lines if len(line) > 80] == []
    text = "\n".join(lines)
    assert all(name in text for name in BACKBONES)
    assert "size mismatch" in text
    assert "\t" not in text


def test_what_was_set_aside_is_named(crowded: Path) -> None:
    """Nobody has to find out from a listing that a file of the run was damaged."""
    assert "damaged" not in render_text(read_status(crowded))
    path = checkpoint_path(crowded, JobName(BACKBONES[6]), Position("finetune", 249, 99999))
    set_aside(crowded, path, "record data/0 is not what was written")
    assert f"damaged/NAME.reason.txt:\n  {path.name}\n" in render_text(read_status(crowded))


def test_long_error_is_whole_and_belongs_to_its_job(crowded: Path) -> None:
    """Wrapping loses nothing: its words stand under its job, further in."""
    text = render_text(read_status(crowded))
    after = text.split(f"\n  {BACKBONES[11]}: ", 1)[1]
    error = after.splitlines()
    wrapped = [error[0], *(line for line in error[1 : 1 + 6] if line.startswith("    "))]
    assert " ".join(" ".join(wrapped).split()) == " ".join(LONG.split())


def test_result_of_changed_training_is_marked(crowded: Path) -> None:
    """Text and table put a * on it, a fold's on its backbone, and say below what that means."""
    plain = read_status(crowded)
    state = load_state(crowded)
    for job in (JobName(BACKBONES[0]), JobName(BACKBONES[1], 3)):
        state.results[job]["changed_in_training"] = ["seed was 42, now 7"]
    save_state(crowded, state)
    (crowded / "journal.jsonl").unlink()
    status, note = read_status(crowded), "* settings or data changed in training:"
    text, table = render_text(status), shown_in_80_columns(status)

    assert "*" not in render_text(plain) + "\n".join(shown_in_80_columns(plain))
    assert f"✓ {BACKBONES[0]:<28} complete, accuracy 0.9877 *\n" in text
    assert f"✓ {JobName(BACKBONES[1], 3)!s:<28} complete, accuracy 0.9877 *\n" in text
    assert f"\n{note}" in text
    assert max(map(len, text.splitlines())) <= 80
    marked = [line.split("*")[0] for line in table if "*" in line and not line.startswith("*")]
    assert marked == BACKBONES[:2]
    assert any(line.startswith(note) for line in table)
    assert max(map(len, table)) <= 80


def shown_in_80_columns(status: Status) -> list[str]:
    """Return the lines of the table of results."""
    out = StringIO()
    Console(file=out, width=80).print(results_table(status))
    return out.getvalue().splitlines()


def test_table_fits_80_columns(crowded: Path) -> None:
    """The results of all backbones, with folds, times and interruptions."""
    lines = shown_in_80_columns(read_status(crowded))
    assert max(map(len, lines)) <= 80
    for name in BACKBONES:
        assert any(line.startswith(name) for line in lines)
    assert sum("0.988 ± 0.000 (9/10)" in line for line in lines) == 6


@pytest.mark.parametrize("columns", [35, 40, 60])
def test_narrow_table_drops_columns_not_names(crowded: Path, columns: int) -> None:
    """Where there is less room, names and accuracies are the last to go."""
    status, out = read_status(crowded), StringIO()
    Console(file=out, width=columns).print(results_table(status, columns))
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= columns
    assert sum("0.9877" in line for line in lines) == 6
    assert all(any(line.startswith(name) for line in lines) for name in BACKBONES)


def test_text_of_an_empty_directory(tmp_path: Path) -> None:
    """It says that nothing has been done, and what would be first."""
    text = render_text(read_status(tmp_path, BACKBONES))
    assert "Completed:  0 of 15 backbones\nRemaining:  15\n" in text
    assert f"Next:       {BACKBONES[0]}\nOn disk:    0 B" in text
    assert "Updated:    never" in text


def test_text_of_a_finished_run(tmp_path: Path) -> None:
    """It says that all are complete, each with its accuracy."""
    results = {JobName(name): {"final_accuracy": 0.5} for name in BACKBONES}
    save_state(tmp_path, RecoveryState(backbones=BACKBONES, results=results))
    text = render_text(read_status(tmp_path))
    assert "Next:       nothing, all backbones are complete" in text
    assert text.count("complete, accuracy 0.5000") == 15


def test_resuming_is_told_as_the_guide_shows_it(tmp_path: Path) -> None:
    """What a start finds: completed, resuming with stage and epoch, remaining, folds."""
    done = {JobName(name): {} for name in BACKBONES[:4]}
    state = RecoveryState(backbones=BACKBONES, results=done, folds={BACKBONES[0]: 5})
    state.results[JobName(BACKBONES[0], 1)] = {}
    state.run = {"stages": {"head": 40, "finetune": 25}}
    save_state(tmp_path, state)
    write_whole(checkpoint_path(tmp_path, JobName("CustomCSPDarkNet"), Position("finetune", 15)))

    assert resume_lines(read_status(tmp_path)) == [
        "✓ Previous training detected!",
        "✓ Loaded recovery state",
        "✓ Completed: 4 backbones",
        "✓ Resuming: CustomCSPDarkNet (finetune, epoch 15/25)",
        "✓ Remaining: 10 backbones",
        "✓ K-fold progress: 1 of 5 folds complete",
    ]


def test_nothing_to_resume_is_one_line(tmp_path: Path) -> None:
    """An empty directory starts from the beginning, and is said to."""
    lines = resume_lines(read_status(tmp_path, BACKBONES))
    assert lines == ["Nothing to continue: starting from the beginning"]


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 kB"),
        (302e6, "302 MB"),
        (1.5e9, "1.5 GB"),
        (2e13, "20000.0 GB"),
    ],
)
def test_sizes_are_as_people_read_them(count: float, text: str) -> None:
    """In powers of 1000, with a unit."""
    assert human_bytes(count) == text
