"""What a checkpoint is: its record, its file, which to keep, and who writes beside it."""

from holdfast.checkpoint.job_ledger import JobLedger, SentLedger, Tell, write_down
from holdfast.checkpoint.ledger import Ledger
from holdfast.checkpoint.manager import CheckpointManager
from holdfast.checkpoint.record import CheckpointRecord, make_record, weights_only
from holdfast.checkpoint.repair import clear_images, lost_weights, move_aside, repair
from holdfast.checkpoint.results import complete_job
from holdfast.checkpoint.serialize import read_pth
from holdfast.checkpoint.snapshot import Snapshot, digest, key_of, storages_of
from holdfast.checkpoint.staging import PinnedCopies
from holdfast.checkpoint.store import CheckpointStore

__all__ = [
    "CheckpointManager",
    "CheckpointRecord",
    "CheckpointStore",
    "JobLedger",
    "Ledger",
    "PinnedCopies",
    "SentLedger",
    "Snapshot",
    "Tell",
    "clear_images",
    "complete_job",
    "digest",
    "key_of",
    "lost_weights",
    "make_record",
    "move_aside",
    "read_pth",
    "repair",
    "storages_of",
    "weights_only",
    "write_down",
]
