"""Whether a store keeps its word: conditional writes, and ETags that are MD5 sums."""

import hashlib
import uuid
from dataclasses import dataclass

from holdfast.errors import StorageError
from holdfast.storage.objects.store import AwayError, ConflictError, Store, Version

_ANOTHER = Version("0" * 32, "1")


@dataclass(frozen=True)
class Honours:
    """What a store was seen to do."""

    conditions: bool
    """A conditional write whose condition does not hold is refused."""
    sums: bool
    """The ETag of a write is the MD5 of what arrived."""


def probe(store: Store) -> Honours:
    """Write an object twice, and once with a wrong ETag, and look what becomes of it.

    Some servers answer success to a conditional write, and overwrite all the same.
    """
    name, data = f".probe-{uuid.uuid4().hex}", uuid.uuid4().bytes
    try:
        version = _write(store, name, data)
        kept = _refuses(store, name, None) and _refuses(store, name, _ANOTHER)
        kept = kept and _replaces(store, name, version)
    finally:
        store.delete(name)
    md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
    return Honours(kept, version.etag == md5)


def _write(store: Store, name: str, data: bytes) -> Version:
    try:
        return store.create(name, data)
    except ConflictError:  # our own, repeated after its answer was lost
        return store.put(name, data)


def _refuses(store: Store, name: str, old: Version | None) -> bool:
    try:
        if old is None:
            store.create(name, b"another")
        else:
            store.replace(name, b"another", old)
    except AwayError:
        raise
    except (ConflictError, StorageError):  # also where it knows no conditions and says so
        return True
    return False


def _replaces(store: Store, name: str, version: Version) -> bool:
    """Tell whether the right ETag lets a write through; 501 and the like do not."""
    try:
        store.replace(name, b"the second", version)
    except AwayError:
        raise
    except StorageError:
        return False
    return True
