"""What a checkpoint is: its record, its file, which to keep, and who writes beside it."""

from holdfast.checkpoint.ledger import Ledger
from holdfast.checkpoint.manager import CheckpointManager
from holdfast.checkpoint.record import CheckpointRecord, make_record, weights_only
from holdfast.checkpoint.results import adopt_results, complete_job, lost_weights
from holdfast.checkpoint.serialize import read_pth
from holdfast.checkpoint.store import CheckpointStore

__all__ = [
    "CheckpointManager",
    "CheckpointRecord",
    "CheckpointStore",
    "Ledger",
    "adopt_results",
    "complete_job",
    "lost_weights",
    "make_record",
    "read_pth",
    "weights_only",
]
