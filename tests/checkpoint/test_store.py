"""Finding the newest good checkpoint of a job, and pruning the others."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from holdfast.checkpoint import CheckpointStore, make_record
from holdfast.checkpoint.serialize import write_pth
from holdfast.errors import DamagedCheckpointError
from holdfast.rundir import CheckpointFile, JobName, Position, checkpoint_path
from tests.checkpoint.injury import empty, flip, truncate, zero

JOB, FOLD = JobName("CustomRegNet"), JobName("CustomRegNet", 2)


@pytest.fixture
def store(tmp_path: Path) -> CheckpointStore:
    """An empty directory's checkpoints."""
    return CheckpointStore(tmp_path)


def save(store: CheckpointStore, position: Position, job: JobName = JOB) -> Path:
    record = make_record(job, position, model={"weight": torch.ones(4)})
    return store.save(job, position, record)


def epochs(store: CheckpointStore, job: JobName = JOB) -> list[int]:
    """The epochs of a job's checkpoints, newest first."""
    return [file.position.epoch for file in store.newest_first(job)]


def newest(store: CheckpointStore) -> tuple[Position | None, list[str]]:
    """Where the newest good checkpoint stands, and what is told of the damaged ones."""
    told: list[str] = []
    record = store.newest(JOB, lambda file, reason: told.append(f"{file.path.name}|{reason}"))
    if record is None:
        return None, told
    return Position(record["stage"], record["epoch"], record["step"]), told


def test_newest_is_by_position_not_by_name(store: CheckpointStore) -> None:
    """Stages come in their order, epochs and steps as numbers; names and times do not count."""
    places = [
        *(Position("finetune", 10, 5), Position("finetune", 10), Position("finetune", 9, 120)),
        *(
            Position("finetune", 9),
            Position("finetune", 0),
            Position("head", 40),
            Position("head", 5),
        ),
    ]
    for position in sorted(places, key=str):
        save(store, position)
    assert [file.position for file in store.newest_first(JOB)] == places


@pytest.mark.parametrize("injury", [empty, flip, truncate, zero])
def test_damaged_newest_is_told_and_stepped_over(
    injury: Callable[[Path], None], store: CheckpointStore
) -> None:
    """The newest that verifies is used; each damaged one is named with its reason."""
    for epoch in (1, 2, 3, 4):
        save(store, Position("head", epoch))
    for epoch in (3, 4):
        injury(store.directory / f"CustomRegNet_head_epoch{epoch}.pth")

    position, told = newest(store)
    assert position == Position("head", 2)
    assert [line.partition("|")[0] for line in told] == [
        "CustomRegNet_head_epoch4.pth",
        "CustomRegNet_head_epoch3.pth",
    ]


def test_nothing_good_is_none(store: CheckpointStore) -> None:
    """With every checkpoint damaged there is nothing to load, and each is told of."""
    for epoch in (1, 2):
        truncate(save(store, Position("head", epoch)))
    position, told = newest(store)
    assert position is None
    assert len(told) == 2


@pytest.mark.parametrize(
    "taken_from",
    [
        (JobName("CustomMaxViT"), Position("head", 3)),
        (FOLD, Position("head", 3)),
        (JOB, Position("finetune", 3)),
        (JOB, Position("head", 2)),
        (JOB, Position("head", 3, 7)),
    ],
    ids=["backbone", "fold", "stage", "epoch", "step"],
)
def test_checkpoint_under_anothers_name_is_refused(
    taken_from: tuple[JobName, Position], store: CheckpointStore
) -> None:
    """A file of another job or position, copied here, is never taken for what its name says."""
    save(store, Position("head", 1))
    job, position = taken_from
    other = save(store, position, job)
    shutil.copy(other, checkpoint_path(store.directory, JOB, Position("head", 3)))
    other.unlink()

    found, (told,) = newest(store)
    assert found == Position("head", 1)
    assert told.startswith("CustomRegNet_head_epoch3.pth|")
    assert f"holds {job}, {position}, not what its name says" in told


def test_checkpoint_without_its_keys_is_refused(store: CheckpointStore) -> None:
    """A good file of torch that lacks what resuming needs is named with what it lacks."""
    record = make_record(JOB, Position("head", 1), model={})
    del record["optimizer_state"], record["running"]
    path = checkpoint_path(store.directory, JOB, Position("head", 1))
    write_pth(path, record)

    with pytest.raises(DamagedCheckpointError, match="lacks optimizer_state, run_id, running"):
        store.load(CheckpointFile(path, JOB, Position("head", 1)))


def test_newer_format_is_named_and_stepped_over(store: CheckpointStore) -> None:
    """What a newer Holdfast wrote is told with the way out; an older good one is used."""
    save(store, Position("head", 1))
    record = make_record(JOB, Position("head", 2), model={})
    write_pth(
        checkpoint_path(store.directory, JOB, Position("head", 2)), {**record, "format_version": 99}
    )
    told: list[str] = []
    found = store.newest(JOB, lambda _, reason: told.append(reason))
    assert found is not None and found["epoch"] == 1
    assert "newer Holdfast" in told[0] and "pip install -U holdfast" in told[0]


def test_checkpoint_of_another_run_is_stepped_over(store: CheckpointStore) -> None:
    """The same job at the same position, but copied from elsewhere, is not believed."""
    save(store, Position("head", 1))
    theirs = CheckpointStore(store.directory, run_id="another")
    save(theirs, Position("head", 2))
    store.run_id = "ours"
    save(store, Position("head", 1))

    told: list[str] = []
    found = store.newest(JOB, lambda _, reason: told.append(reason))
    assert found is not None and found["epoch"] == 1
    assert told == ["is another run's"]


def test_prune_keeps_the_newest_of_one_job(store: CheckpointStore) -> None:
    """Only the job's own older checkpoints go; folds and other backbones keep theirs."""
    for epoch in range(1, 6):
        for job in (JOB, FOLD, JobName("CustomRegNetX")):
            save(store, Position("head", epoch), job)
    store.prune(JOB, 3)

    assert epochs(store) == [5, 4, 3]
    assert epochs(store, FOLD) == epochs(store, JobName("CustomRegNetX")) == [5, 4, 3, 2, 1]


@pytest.mark.parametrize("damaged", [{5}, {4}, {5, 3}, {5, 4, 3}])
@pytest.mark.parametrize("latest", [1, 3])
def test_prune_leaves_two_that_verify(latest: int, damaged: set[int], tmp_path: Path) -> None:
    """However few are asked for and whichever are damaged, two good ones stay."""
    writer = CheckpointStore(tmp_path)
    for epoch in range(1, 6):
        save(writer, Position("head", epoch))
    for epoch in damaged:
        flip(tmp_path / f"CustomRegNet_head_epoch{epoch}.pth")
    for store in (writer, CheckpointStore(tmp_path)):  # what a writer saved may have changed since
        store.prune(JOB, latest)
        left = epochs(store)
        assert len(set(left) - damaged) >= 2
        assert left == list(range(5, min(left) - 1, -1)), "the newest ones, without a gap"


def test_prune_of_zero_removes_nothing(store: CheckpointStore) -> None:
    """A count that keeps nothing is not carried out."""
    for epoch in (1, 2, 3):
        save(store, Position("head", epoch))
    store.prune(JOB, 0)
    assert epochs(store) == [3, 2, 1]


def test_prune_finds_what_a_dead_process_left(store: CheckpointStore) -> None:
    """The first look at a job is at the directory, and what is saved after it is known too."""
    for epoch in (1, 2, 3):
        save(CheckpointStore(store.directory), Position("head", epoch))
    store.prune(JOB, 2)
    assert epochs(store) == [3, 2]
    for epoch in (4, 5):
        save(store, Position("head", epoch))
        store.prune(JOB, 2)
        assert epochs(store) == [epoch, epoch - 1]


def test_prune_steps_over_what_is_gone(store: CheckpointStore) -> None:
    """A checkpoint that was set aside meanwhile is not one of the two that stay."""
    for epoch in (1, 2, 3):
        save(store, Position("head", epoch))
        store.prune(JOB, 3)
    (store.directory / "CustomRegNet_head_epoch3.pth").unlink()
    store.prune(JOB, 2)
    assert epochs(store) == [2, 1]


def test_prune_anew_sees_what_others_have_saved(store: CheckpointStore) -> None:
    """Asked to list again, it knows the checkpoints of another writer in this process."""
    save(store, Position("head", 1))
    store.prune(JOB, 2)
    for epoch in (2, 3, 4):
        save(CheckpointStore(store.directory), Position("head", epoch))
    store.prune(JOB, 2, anew=True)
    assert epochs(store) == [4, 3]
