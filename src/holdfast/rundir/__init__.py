"""What a run leaves on disk: names, recovery state, journal; knows no torch."""

from holdfast.rundir.attempts import DEATHS, deaths
from holdfast.rundir.books import Books
from holdfast.rundir.damaged import list_set_aside, set_aside, set_aside_copy
from holdfast.rundir.history import HistoryRow, columns, rows
from holdfast.rundir.journal import SKIMMED, Journal, concerns, stamped
from holdfast.rundir.layout import (
    DAMAGED,
    DEFAULT_STAGES,
    EVENT_FILES,
    IMAGE_CACHE,
    JOURNAL,
    KFOLD_PROGRESS,
    LOCK,
    RECOVERY_STATE,
    STATUS_TEXT,
    CheckpointFile,
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
    parse_result,
)
from holdfast.rundir.lines import Record
from holdfast.rundir.pauses import COMPLETED, INTERRUPTED, resumptions
from holdfast.rundir.peek import peek, peek_or_none
from holdfast.rundir.record import FORMAT_VERSION, mismatch
from holdfast.rundir.recovery import (
    find_faults,
    is_complete,
    load_state,
    state_of,
)
from holdfast.rundir.sources import MISSING, Sources, read_sources
from holdfast.rundir.started import Started, last_start, record_start
from holdfast.rundir.state import RecoveryState, Result, kept, save_state
from holdfast.rundir.survey import (
    FileReport,
    image_reports,
    jobs_with_lost_weights,
    missing_checkpoints,
    pth_reports,
    state_reports,
    survey,
)
from holdfast.rundir.told import Told
from holdfast.rundir.verify import damage, fault, looks_whole, verify_ahead
from holdfast.storage.boot import boot_id

__all__ = [
    "Books",
    "COMPLETED",
    "CheckpointFile",
    "DAMAGED",
    "DEATHS",
    "DEFAULT_STAGES",
    "EVENT_FILES",
    "FORMAT_VERSION",
    "FileReport",
    "HistoryRow",
    "IMAGE_CACHE",
    "INTERRUPTED",
    "JOURNAL",
    "JobName",
    "Journal",
    "KFOLD_PROGRESS",
    "LOCK",
    "MISSING",
    "Position",
    "RECOVERY_STATE",
    "Record",
    "RecoveryState",
    "Result",
    "SKIMMED",
    "STATUS_TEXT",
    "Sources",
    "Started",
    "Told",
    "best_path",
    "boot_id",
    "check_backbone_name",
    "check_stage_name",
    "checkpoint_path",
    "columns",
    "concerns",
    "damage",
    "deaths",
    "fault",
    "find_faults",
    "image_reports",
    "is_complete",
    "jobs_with_lost_weights",
    "kept",
    "last_start",
    "list_all_checkpoints",
    "list_checkpoints",
    "list_results",
    "list_set_aside",
    "load_state",
    "looks_whole",
    "mismatch",
    "missing_checkpoints",
    "parse_checkpoint",
    "parse_result",
    "peek",
    "peek_or_none",
    "pth_reports",
    "read_sources",
    "record_start",
    "resumptions",
    "rows",
    "save_state",
    "set_aside",
    "set_aside_copy",
    "stamped",
    "state_of",
    "state_reports",
    "survey",
    "verify_ahead",
]
