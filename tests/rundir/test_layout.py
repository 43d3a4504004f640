"""Names inside a checkpoint directory: what is written there is found again, as what it was."""

from itertools import product
from pathlib import Path

import pytest

from holdfast.errors import UsageError
from holdfast.rundir import (
    JobName,
    Position,
    best_path,
    check_backbone_name,
    check_stage_name,
    checkpoint_path,
    list_all_checkpoints,
    list_checkpoints,
    list_results,
    parse_checkpoint,
)
from holdfast.storage import is_temporary

RUN = Path("checkpoints")
NAMES = [
    *(
        "CustomConvNeXt",
        "resnet18",
        "my_net",
        "my_big_net",
        "net.v2",
        "vit-b+16",
        "net_fold",
        "best",
    ),
    *("net_step4", "head", "my_head", "a_fold2_b", "a_best_b", "epoch", "a_epoch", "fold2", "7"),
]
FOLDS = [None, 1, 12]
PLACES = [
    *(Position("head", 0), Position("head", 40), Position("finetune", 15, 120)),
    *(Position("warmup2", 10**6, 10**9), Position("fold", 1), Position("epoch", 2, 3)),
]


@pytest.mark.parametrize(("name", "fold"), list(product(NAMES, FOLDS)))
def test_names_round_trip(name: str, fold: int | None, tmp_path: Path) -> None:
    """Job and position read off a checkpoint's name are those it was named by."""
    job = JobName(check_backbone_name(name), fold)

    assert JobName.parse(str(job)) == job
    for position in PLACES:
        found = parse_checkpoint(checkpoint_path(RUN, job, position))
        assert found is not None
        assert (found.job, found.position) == (job, position)
    best_path(tmp_path, job).touch()
    assert list_results(tmp_path) == [(job, best_path(tmp_path, job))]
    assert parse_checkpoint(best_path(tmp_path, job)) is None


def test_names_are_the_guides() -> None:
    """The file names are those that the guide shows, and their like for steps and folds."""
    job, fold = JobName("CustomGhostNetV2"), JobName("CustomGhostNetV2", 2)
    made = [
        checkpoint_path(RUN, job, Position("head", 40)),
        checkpoint_path(RUN, job, Position("finetune", 15)),
        checkpoint_path(RUN, job, Position("finetune", 15, 120)),
        checkpoint_path(RUN, fold, Position("head", 7)),
        best_path(RUN, job),
    ]
    assert [path.name for path in made] == [
        "CustomGhostNetV2_head_epoch40.pth",
        "CustomGhostNetV2_finetune_epoch15.pth",
        "CustomGhostNetV2_finetune_epoch15_step120.pth",
        "CustomGhostNetV2_fold2_head_epoch7.pth",
        "CustomGhostNetV2_best.pth",
    ]


@pytest.mark.parametrize(
    "name",
    [
        *("", "_a", "a_", "a__b", "a b", "a/b", "../a", "a\\b", "a\n", ".hidden", "-a", "é", "a*"),
        *("net_fold2", "net_fold0", "net_epoch3", "net_epoch3_b", "net_best"),
    ],
)
def test_names_that_could_not_be_told_apart_are_refused(name: str) -> None:
    """A name that would hide in another's files, or leave the directory, is a usage error."""
    with pytest.raises(UsageError, match=r"backbone name .*: use letters, digits"):
        check_backbone_name(name)


@pytest.mark.parametrize("name", ["", "2nd", "fine-tune", "fine_tune", "head ", "é"])
def test_stage_names_are_letters_and_digits(name: str) -> None:
    """A stage name that a file name could not give back is a usage error."""
    with pytest.raises(UsageError, match=r"stage name .*: use letters and digits only"):
        check_stage_name(name)
    assert check_stage_name("finetune2") == "finetune2"


@pytest.mark.parametrize(
    ("fold", "position"),
    [
        (0, Position("head", 1)),
        (None, Position("head", -1)),
        (None, Position("head", 1, -2)),
        (None, Position("head", 1.5)),
    ],
)
def test_checkpoint_that_would_never_be_found_is_refused(
    fold: int | None, position: Position
) -> None:
    """No checkpoint is saved under a name that listing would not take for it."""
    with pytest.raises(UsageError, match=r"no checkpoint can be called Net.*: folds are counted"):
        checkpoint_path(RUN, JobName("Net", fold), position)


@pytest.mark.parametrize(
    "name",
    [
        *("Net.pth", "Net_head.pth", "Net_epoch3.pth", "Net_head_epoch.pth", "Net_best.pth"),
        *("Net_head_epoch3.pth.tmp", ".Net_head_epoch3.pth.41.tmp", "Net_head_epoch3.PTH"),
        *("Net_head_epoch3_step.pth", "Net_head_epoch3_stepx.pth", "Net_head_epoch-3.pth"),
        *("xNet_head_epoch3.pth.bak", "journal.jsonl"),
    ],
)
def test_other_names_are_no_checkpoints(name: str) -> None:
    """Backups, leftovers and results match no checkpoint's pattern."""
    assert parse_checkpoint(RUN / name) is None


def test_temporary_name_of_a_checkpoint_is_temporary() -> None:
    """What is being written is known by its name, and is no checkpoint."""
    final = checkpoint_path(RUN, JobName("Net"), Position("head", 3))
    half_written = final.with_name(f".{final.name}.4711.tmp")
    assert is_temporary(half_written)
    assert not is_temporary(final)


def test_jobs_with_a_common_beginning_are_kept_apart(tmp_path: Path) -> None:
    """Listing one job gives none of another's files, however alike the names are."""
    jobs = [JobName("net"), JobName("net", 1), JobName("net", 11), JobName("net_b"), JobName("ne")]
    jobs += [JobName("net_head"), JobName("net.b")]
    for job in jobs:
        checkpoint_path(tmp_path, job, Position("head", 3)).touch()

    assert {file.job for file in list_all_checkpoints(tmp_path)} == set(jobs)
    for job in jobs:
        assert [file.job for file in list_checkpoints(tmp_path, job)] == [job]


def test_missing_directory_holds_nothing(tmp_path: Path) -> None:
    """Looking into a directory that is not there finds nothing, and does not make it."""
    directory = tmp_path / "none"
    assert list_checkpoints(directory, JobName("net")) == []
    assert list_all_checkpoints(directory) == []
    assert list_results(directory) == []
    assert not directory.exists()
