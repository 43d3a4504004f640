"""Reading a run for people: snapshot, text; knows no torch and takes no lock."""

from holdfast.status.files import FileStatus, list_files
from holdfast.status.live import head_lines, live_view
from holdfast.status.past import Curve, Interruption, Past, read_past
from holdfast.status.reading import read_directory, read_run
from holdfast.status.remaining import time_left
from holdfast.status.saving import who_trains
from holdfast.status.snapshot import (
    COMPLETE,
    FAILED,
    PENDING,
    STARTED,
    JobStatus,
    Status,
    finite,
    read_status,
    stage_epochs,
    summarise,
)
from holdfast.status.table import results_table
from holdfast.status.text import (
    MARKS,
    clock,
    counted,
    describe,
    duration,
    human_bytes,
    job_line,
    no_run,
    printable_text,
    render_text,
    resume_lines,
    times,
)
from holdfast.status.verification import Verification, verification_lines, verify

__all__ = [
    "COMPLETE",
    "Curve",
    "FAILED",
    "FileStatus",
    "Interruption",
    "JobStatus",
    "MARKS",
    "PENDING",
    "Past",
    "STARTED",
    "Status",
    "Verification",
    "clock",
    "counted",
    "describe",
    "duration",
    "finite",
    "head_lines",
    "human_bytes",
    "job_line",
    "list_files",
    "live_view",
    "no_run",
    "printable_text",
    "read_directory",
    "read_past",
    "read_run",
    "read_status",
    "render_text",
    "results_table",
    "resume_lines",
    "stage_epochs",
    "summarise",
    "time_left",
    "times",
    "verification_lines",
    "verify",
    "who_trains",
]
