"""A folder of images on object storage, as a folder of this machine: ``--data s3://bucket/photos``."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath

from holdfast.errors import DataError
from holdfast.storage.atomic import make_directory, remove, remove_temporaries
from holdfast.storage.json_record import read_record, write_record
from holdfast.storage.lock import DirectoryLock
from holdfast.storage.objects.address import Address, is_url, scratch_root
from holdfast.storage.objects.skeleton import fetch_whole
from holdfast.storage.objects.store import AwayError, Entry, GoneError, Store
from holdfast.storage.objects.together import patiently, together

_FOR_EVER = -1.0
_SAME_TIME = 1.0  # seconds; not every file system keeps parts of them


def local_folder(where: str | Path, on_notice: Callable[[str], None] = lambda _: None) -> Path:
    """Return the folder of this machine that holds the images: of a URL, a copy in scratch.

    Each start looks what is there; what is new or another one is brought, what is gone is removed
    here. One process of a machine does that, and the others wait for it. Where the store stays
    away, a copy that was whole before is used as it is.

    Raises:
        DataError: nothing is there.
        StorageError: the store refuses, or stays away and there is no whole copy.
    """
    if not is_url(where):
        return Path(where)
    address = Address.parse(where)
    directory = scratch_root() / f"data-{address.slug}"
    lock = DirectoryLock(directory.with_suffix(".lock"), str(address), patience=_FOR_EVER)
    lock.acquire()
    try:
        _Copy(address, directory, on_notice).bring()
    finally:
        lock.release()
    return directory


class _Copy:
    """The local copy of what is below an address."""

    def __init__(self, address: Address, directory: Path, on_notice: Callable[[str], None]) -> None:
        self._store = Store(address, sums_are_md5=address.scheme == "s3")
        self._directory, self._on_notice = directory, on_notice
        self._record = directory.with_suffix(".json")
        self._known: dict[str, str] = {}

    def bring(self) -> None:
        """Make it the same as what is there."""
        record = read_record(self._record) or {}
        self._known = dict(record.get("etags", {}))
        try:
            there = patiently(self._listing, self._on_notice)
        except AwayError as error:
            if not record.get("whole"):
                raise
            self._on_notice(f"{error}: going on with the copy in {self._directory}")
            return
        if not there:
            raise DataError(f"{self._store.address}: nothing is there; name the folder of images")
        make_directory(self._directory)
        missing = [entry for entry in there.values() if not self._has(entry)]
        extra = [path for name, path in self._files() if name not in there]
        if missing or extra or not record.get("whole"):
            self._change(there, missing, extra)

    def _change(self, there: dict[str, Entry], missing: list[Entry], extra: list[Path]) -> None:
        self._keep(there, whole=False)
        size = sum(entry.size for entry in missing) / 1e6
        self._on_notice(
            f"{self._store.address}: bringing {len(missing)} files ({size:.1f} MB) to "
            f"{self._directory}"
        )
        for path in extra:
            remove(path)
        for folder in {(self._directory / entry.name).parent for entry in missing}:
            make_directory(folder)
            remove_temporaries(folder)
        together(partial(self._fetch, entry) for entry in missing)
        self._keep(there, whole=True)

    def _fetch(self, entry: Entry) -> None:
        path = self._directory / entry.name
        bring = partial(fetch_whole, self._store, entry.name, path, entry.modified)
        try:
            if not patiently(bring, self._on_notice):
                self._store.sums_are_md5 = False  # as with keys of KMS
        except GoneError:
            raise DataError(
                f"{self._store.address}/{entry.name}: gone while it was read; run the same command "
                "again"
            ) from None

    def _listing(self) -> dict[str, Entry]:
        found = self._store.list()
        for name in found:
            if ".." in Path(name).parts:
                raise DataError(
                    f"{self._store.address}/{name}: no file can be called that; rename it"
                )
        folders = {str(parent) for name in found for parent in PurePosixPath(name).parents}
        return {name: entry for name, entry in found.items() if name not in folders}

    def _has(self, entry: Entry) -> bool:
        """Tell whether a file is here as it is there; a file's own time says which one it is."""
        try:
            stat = (self._directory / entry.name).stat()
        except OSError:
            return False
        same_time = abs(stat.st_mtime - entry.modified) < _SAME_TIME
        known = self._known.get(entry.name, entry.etag) == entry.etag
        return stat.st_size == entry.size and same_time and known

    def _files(self) -> Iterator[tuple[str, Path]]:
        for path in sorted(self._directory.rglob("*")):
            if not path.is_dir():
                yield path.relative_to(self._directory).as_posix(), path

    def _keep(self, there: dict[str, Entry], *, whole: bool) -> None:
        """Note what is there; ETags of what is not here yet say nothing of what is."""
        etags = {name: entry.etag for name, entry in there.items()} if whole else self._known
        write_record(self._record, {"whole": whole, "etags": etags})
