"""What a run leaves on disk: names, recovery state, journal; knows no torch."""

from holdfast.rundir.damaged import set_aside, set_aside_copy
from holdfast.rundir.history import HistoryRow, columns, rows
from holdfast.rundir.journal import Journal, Record, stamped
from holdfast.rundir.layout import (
    DAMAGED,
    DEFAULT_STAGES,
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
from holdfast.rundir.peek import peek
from holdfast.rundir.record import FORMAT_VERSION, mismatch
from holdfast.rundir.recovery import RecoveryState, Result, forget, kept, load_state, save_state
from holdfast.rundir.sources import Sources, read_sources
from holdfast.rundir.started import Started, last_start, record_start
from holdfast.rundir.survey import FileReport, pth_reports, state_reports, survey
from holdfast.rundir.verify import damage, fault, looks_whole

__all__ = [
    "CheckpointFile",
    "DAMAGED",
    "DEFAULT_STAGES",
    "FORMAT_VERSION",
    "FileReport",
    "HistoryRow",
    "IMAGE_CACHE",
    "JOURNAL",
    "JobName",
    "Journal",
    "KFOLD_PROGRESS",
    "LOCK",
    "Position",
    "RECOVERY_STATE",
    "Record",
    "RecoveryState",
    "Result",
    "STATUS_TEXT",
    "Sources",
    "Started",
    "best_path",
    "check_backbone_name",
    "check_stage_name",
    "checkpoint_path",
    "columns",
    "damage",
    "fault",
    "forget",
    "kept",
    "last_start",
    "list_all_checkpoints",
    "list_checkpoints",
    "list_results",
    "load_state",
    "looks_whole",
    "mismatch",
    "parse_checkpoint",
    "parse_result",
    "peek",
    "pth_reports",
    "read_sources",
    "rows",
    "record_start",
    "save_state",
    "set_aside",
    "set_aside_copy",
    "stamped",
    "state_reports",
    "survey",
]
