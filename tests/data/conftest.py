"""Real image files, made small; the real sets beside the project where they are present."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from holdfast.data import demo_digits, prepare
from tests.data.image_files import hash_of, write_image

_SHARED = Path(__file__).parents[2].parent / "shared"
_NOBODY = 65534


def _shared(name: str) -> Path:
    folder = _SHARED / name
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    return folder


@pytest.fixture
def leaves() -> Path:
    """13 classes of 60 real photographs."""
    return _shared("leaves")


@pytest.fixture
def odd_images() -> Path:
    """Real files that image loaders trip over."""
    return _shared("odd_images")


@pytest.fixture
def make_folder(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that fills a folder: ``make_folder({"cat": 3, "dog": 4})``."""

    def make(classes: dict[str, int], root: Path = tmp_path / "images") -> Path:
        for name, count in classes.items():
            (root / name).mkdir(parents=True, exist_ok=True)
            for i in range(count):
                write_image(root / name / f"{i:03d}.png", hash_of(name) + i)
        return root

    return make


@pytest.fixture
def open_place() -> Iterator[Path]:
    """A folder that every user can reach and write (pytest's own are root's alone)."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o777)
        yield Path(name)


@pytest.fixture
def unprivileged() -> Callable[[], AbstractContextManager[None]]:
    """Return a context in which permissions bind, even where the tests run as root."""

    @contextmanager
    def become_nobody() -> Iterator[None]:
        if not hasattr(os, "geteuid"):
            pytest.skip("this system has no users to be")
        user = os.geteuid()
        if user == 0:
            os.seteuid(_NOBODY)
        try:
            yield
        finally:
            os.seteuid(user)

    return become_nobody


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the complete, undisturbed cache of the digits, 8x8: four shards."""
    directory = tmp_path_factory.mktemp("undisturbed")
    prepare(demo_digits(), directory, resize=8)
    return directory
