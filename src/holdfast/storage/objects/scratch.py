"""A local directory that stands for an address: what is not here is brought from there."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from holdfast.storage.atomic import remove
from holdfast.storage.objects.address import Address
from holdfast.storage.objects.pull import pull
from holdfast.storage.objects.skeleton import fetch_whole
from holdfast.storage.objects.store import GoneError, Store
from holdfast.storage.objects.synced import Synced


class Scratch:
    """The files of a run on object storage, as far as they are on this machine."""

    def __init__(self, address: Address, directory: Path) -> None:
        self.address, self.directory = address, directory
        self.thorough = False
        """Whether to verify a checkpoint is to read all of it, wherever it is."""
        self._store: Store | None = None
        self._synced: Synced | None = None

    @property
    def store(self) -> Store:
        """The store, connected to when it is first asked for."""
        if self._store is None:
            self._store = Store(self.address)
        return self._store

    @property
    def synced(self) -> Synced:
        """What is known to be the same here and there."""
        if self._synced is None:
            self._synced = Synced(self.directory)
        return self._synced

    def is_skeleton(self, path: Path) -> bool:
        """Tell whether a file here has only the outlines of what the store has."""
        return path.exists() and self.synced.is_skeleton(self.name(path))

    def fetch(self, path: Path) -> None:
        """Make a skeleton whole; what is no skeleton stays as it is.

        Raises:
            GoneError: the store does not have it any more.
        """
        if self.is_skeleton(path):
            etag = self.synced.etag(self.name(path))
            self._bring(path)
            self.synced.now_whole(self.name(path))
            self.synced.note(self.name(path), etag)

    @contextmanager
    def whole(self, path: Path) -> Iterator[Path]:
        """Give all of a skeleton's file for a while, elsewhere.

        Raises:
            GoneError: the store does not have it any more.
        """
        with tempfile.TemporaryDirectory(dir=self.directory.parent, prefix=".holdfast-") as place:
            copy = Path(place) / path.name
            try:
                fetch_whole(self.store, self.name(path), copy, 0.0)
            except GoneError:
                self._lack(path)
                raise
            yield copy

    def _lack(self, path: Path) -> None:
        """Take note that the store does not have a file any more: its writer pruned it."""
        remove(path)

    def look(self) -> None:
        """Bring the directory in line with the store, which somebody else may write."""
        pull(self.store, self.synced, keep=False)

    def name(self, path: Path) -> str:
        """Return the object's name of a file here."""
        return path.relative_to(self.directory).as_posix()

    def _bring(self, path: Path) -> None:
        fetch_whole(self.store, self.name(path), path, path.stat().st_mtime)
