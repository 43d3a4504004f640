"""What following a run for TensorBoard computes beside the training.

    python benchmarks/tracking.py [--jobs 90] [--epochs 65]

The training itself calls nothing and waits for nothing: a thread looks at the size of the journal
once a second. So the cost is the processor time of that thread, which is measured here: a look at
a journal that has not grown; an epoch, which is read, made into records and appended; a start,
which compares every event file with the journal. Without fsyncs, for which the thread waits
without computing.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from holdfast.rundir import Journal
from holdfast.tracking.event_files import EventFiles
from holdfast.tracking.journal_jobs import JournalJobs

VALUES = ("train_loss", "train_acc", "val_loss", "val_acc", "val_f1", "learning_rate")


def cost(act: Callable[[], object]) -> float:
    """Return the milliseconds of processor time that this thread computes."""
    began = time.thread_time()
    act()
    return 1000 * (time.thread_time() - began)


def bring(jobs: JournalJobs, files: EventFiles) -> None:
    jobs.look()
    for job in jobs.changed():
        log = jobs.log(job)
        if log is not None:
            files.bring(log)


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--jobs", type=int, default=90)
    options.add_argument("--epochs", type=int, default=65)
    options.add_argument("--device", help="not used")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as home:
        journal, files = Journal(Path(home)), EventFiles(Path(home) / "tensorboard")
        journal.append("run_identified", run_id="0" * 32)
        follower, epochs = JournalJobs(Path(home)), []
        for number in range(given.jobs):
            journal.append("job_started", job=f"Net{number}")
            for epoch in range(1, given.epochs + 1):
                row = dict.fromkeys(VALUES, 1 / epoch)
                journal.append("epoch", job=f"Net{number}", stage="head", epoch=epoch, **row)
                epochs.append(cost(lambda: bring(follower, files)))
        idle = cost(lambda: [follower.look() for _ in range(1000)]) / 1000
        start = cost(lambda: bring(JournalJobs(Path(home)), files))
    most = sorted(epochs)[len(epochs) * 99 // 100]
    print(f"{given.jobs} jobs of {given.epochs} epochs, in ms of processor time")
    print(f"a look at a journal that has not grown  {idle:.4f}")
    print(f"an epoch, median and 99th percentile    {statistics.median(epochs):.2f}  {most:.2f}")
    print(f"a start, with all jobs complete         {start:.0f}")


if __name__ == "__main__":
    main()
