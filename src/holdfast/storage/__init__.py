"""Bytes that survive a crash; knows no torch."""

from holdfast.storage.atomic import (
    append_durably,
    atomic_writer,
    final_name,
    is_no_file,
    is_temporary,
    make_directory,
    move_durably,
    read_bytes,
    remove,
    remove_empty_directory,
    remove_temporaries,
    settle_directory,
    storage_errors,
    write_atomically,
)
from holdfast.storage.lock import DirectoryLock, who_holds

__all__ = [
    "DirectoryLock",
    "append_durably",
    "atomic_writer",
    "final_name",
    "is_no_file",
    "is_temporary",
    "make_directory",
    "move_durably",
    "read_bytes",
    "remove",
    "remove_empty_directory",
    "remove_temporaries",
    "settle_directory",
    "storage_errors",
    "who_holds",
    "write_atomically",
]
