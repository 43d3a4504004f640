"""TensorBoard's event files: what the journal has, each step once, whatever happened to them."""

from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2

from holdfast.tracking.event_files import EventFiles, event_bytes
from holdfast.tracking.job_log import JobLog
from holdfast.tracking.journal_jobs import JournalJobs
from tests.tracking.events import read_events, scalars, texts
from tests.tracking.journals import NET, QUANTITIES, WIDE, Training, points, single


def log_of(run: Path, job: str = NET) -> JobLog:
    jobs = JournalJobs(run)
    jobs.look()
    log = jobs.log(job)
    assert log is not None
    return log


def of_epochs(folder: Path) -> dict[tuple[str, int], float]:
    tags = set(QUANTITIES.values())
    return {key: value for key, value in scalars(folder).items() if key[0] in tags}


def as_tensorboard_has_them(run: Path, job: str = NET) -> dict[tuple[str, int], float]:
    return {(QUANTITIES[k], step): single(v) for (k, step), v in points(run, job).items()}


def test_tensorboard_reads_what_the_journal_has(tmp_path: Path) -> None:
    """Curves over all stages, the result and the settings: by TensorBoard's own reader."""
    run, folder = tmp_path / "run", tmp_path / "tb"
    training = Training(run)
    training.whole(NET)
    EventFiles(folder).bring(log_of(run))

    read = EventAccumulator(str(folder / NET))
    read.Reload()
    curves = {
        (tag, event.step): event.value for tag in QUANTITIES.values() for event in read.Scalars(tag)
    }
    assert curves == as_tensorboard_has_them(run) == of_epochs(folder / NET)
    assert [(e.step, e.value) for e in read.Scalars("test/accuracy")] == [(5, 0.75)]
    assert [e.value for e in read.Scalars("training_seconds")] == [4.5]
    assert "test/final_accuracy" not in read.Tags()["scalars"]
    assert texts(folder / NET) == {
        "stage/head": "head begins",
        "stage/finetune": "finetune begins",
    }
    begun = read.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    settings = plugin_data_pb2.HParamsPluginData.FromString(begun).session_start_info.hparams
    assert settings["finetune.learning_rate"].number_value == 1e-3
    assert settings["backbone"].string_value == NET


def test_file_grows_with_the_journal(tmp_path: Path) -> None:
    """What comes later is appended to the same file: a TensorBoard that looks on sees it."""
    run, folder = tmp_path / "run", tmp_path / "tb"
    training = Training(run)
    training.begin(NET)
    before = b""
    for number in range(1, 6):
        training.epochs(NET, number)
        EventFiles(folder).bring(log_of(run))
        (file,) = (folder / NET).iterdir()
        assert file.read_bytes().startswith(before)
        before = file.read_bytes()
    assert of_epochs(folder / NET) == as_tensorboard_has_them(run)


def test_file_torn_at_any_byte_is_completed(tmp_path: Path) -> None:
    """A crash or a full disk leaves some first bytes; the next start appends the others."""
    run, folder = tmp_path / "run", tmp_path / "tb"
    Training(run).whole(NET)
    log, files = log_of(run), EventFiles(folder)
    whole = event_bytes(log)
    files.bring(log)
    (file,) = (folder / NET).iterdir()
    for cut in [*range(0, len(whole), 97), len(whole) - 1]:
        file.write_bytes(whole[:cut])
        files.bring(log)
        assert [path.name for path in (folder / NET).iterdir()] == [file.name]
        assert file.read_bytes() == whole


def test_damaged_file_is_written_anew(tmp_path: Path) -> None:
    """A flipped bit is not continued: a file with a later name takes its place."""
    run, folder = tmp_path / "run", tmp_path / "tb"
    Training(run).whole(NET)
    files = EventFiles(folder)
    files.bring(log_of(run))
    (file,) = (folder / NET).iterdir()
    damaged = bytearray(file.read_bytes())
    damaged[200] ^= 1
    file.write_bytes(damaged)
    files.bring(log_of(run))

    (new,) = (folder / NET).iterdir()
    assert new.name > file.name
    assert of_epochs(folder / NET) == as_tensorboard_has_them(run)


def test_epochs_that_were_trained_again_are_replaced(tmp_path: Path) -> None:
    """What the journal has taken back, or has otherwise now, is in no event file any more."""
    run, folder = tmp_path / "run", tmp_path / "tb"
    training = Training(run)
    training.begin(NET)
    training.epochs(NET, 1, 2, 3)
    files = EventFiles(folder)
    files.bring(log_of(run))
    training.journal.rewrite(lambda record: record.get("stage") != "finetune")
    training.resume(NET, "finetune", 0)
    files.bring(log_of(run))
    assert {step for _, step in of_epochs(folder / NET)} == {1, 2}
    training.epochs(NET, 3, shift=0.5)
    files.bring(log_of(run))
    assert of_epochs(folder / NET) == as_tensorboard_has_them(run)
    assert texts(folder / NET)["interruption/1"] == "died; went on from finetune epoch 0"


def test_job_that_is_forgotten_has_no_curves_any_more(tmp_path: Path) -> None:
    """After a reset the folder of the run shows what the run has, and others' files stay."""
    folder = tmp_path / "tb"
    for job in (NET, WIDE):
        Training(tmp_path / job).whole(job)
        EventFiles(folder).bring(log_of(tmp_path / job, job))
    theirs = folder / NET / "events.out.tfevents.123.host.1.0"
    theirs.write_bytes(b"somebody else's")
    EventFiles(folder).keep_only({WIDE})

    assert list((folder / NET).iterdir()) == [theirs]
    assert len(list((folder / WIDE).iterdir())) == 1


def test_each_interruption_and_failure_is_told_where_it_was(tmp_path: Path) -> None:
    """Twice at the same epoch is two texts; one that was resumed has not ended in failure."""
    run, folder = tmp_path / "run", tmp_path / "tb"
    training = Training(run)
    training.begin(NET)
    training.epochs(NET, 1, 2, 3)
    training.resume(NET, "finetune", 1, step=7)
    training.journal.append("job_interrupted", job=NET, where="there")
    training.resume(NET, "finetune", 1, step=9)
    training.journal.append("job_failed", job=NET, error="OSError: no such card")
    EventFiles(folder).bring(log_of(run))
    failed = read_events(next((folder / NET).iterdir()))[-1]
    assert texts(folder / NET)["error"] == "OSError: no such card"
    assert "_hparams_/session_end_info" in [value.tag for value in failed.summary.value]

    training.resume(NET, "finetune", 1, step=9)
    training.epochs(NET, 4, 5)
    training.complete(NET)
    EventFiles(folder).bring(log_of(run))
    told = texts(folder / NET)
    assert told["interruption/1"] == "died; went on from finetune epoch 2, step 7"
    assert told["interruption/2"] == "stopped as asked; went on from finetune epoch 2, step 9"
    assert told["failure/1"] == "OSError: no such card"
    assert "error" not in told
    assert of_epochs(folder / NET) == as_tensorboard_has_them(run)


@pytest.mark.parametrize("lost", [b'"job_completed"', b'"epoch"'])
def test_line_of_the_journal_that_is_damaged_hides_only_itself(lost: bytes, tmp_path: Path) -> None:
    """A line that is damaged is not shown; the others are, in the order of training."""
    run, folder = tmp_path / "run", tmp_path / "tb"
    training = Training(run)
    training.whole(NET)
    data = training.journal.path.read_bytes()
    training.journal.path.write_bytes(data.replace(lost, lost.upper(), 1))
    EventFiles(folder).bring(log_of(run))
    assert of_epochs(folder / NET) == as_tensorboard_has_them(run)
