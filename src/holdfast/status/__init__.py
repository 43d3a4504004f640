"""Reading a run for people: snapshot, text; knows no torch and takes no lock."""

from holdfast.status.snapshot import (
    COMPLETE,
    FAILED,
    PENDING,
    STARTED,
    JobStatus,
    Status,
    read_status,
    stage_epochs,
    summarise,
)
from holdfast.status.table import results_table
from holdfast.status.text import counted, describe, human_bytes, render_text, resume_lines
from holdfast.status.verification import Verification, verification_lines, verify

__all__ = [
    "COMPLETE",
    "FAILED",
    "JobStatus",
    "PENDING",
    "STARTED",
    "Status",
    "Verification",
    "counted",
    "describe",
    "human_bytes",
    "read_status",
    "render_text",
    "results_table",
    "resume_lines",
    "stage_epochs",
    "summarise",
    "verification_lines",
    "verify",
]
