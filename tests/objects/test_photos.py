"""Images at a URL: brought once, looked at again at each start, an ordinary folder then."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from holdfast.data import open_folder
from holdfast.errors import DataError, StorageError
from holdfast.storage.objects import local_folder
from holdfast.storage.objects.store import Store
from tests.objects.fault_proxy import Fault, FaultProxy

BRING = """
import sys
from holdfast.storage.objects import local_folder
print(local_folder(sys.argv[1]))
"""


@pytest.fixture
def photos(digits_folder: Path, store: Store) -> Path:
    """Some images in the store, and the folder they come from."""
    for path in sorted(digits_folder.glob("*/0*.png")):
        store.put(path.relative_to(digits_folder).as_posix(), path)
    return digits_folder


def gets(proxy: FaultProxy) -> list[str]:
    """Return what was fetched."""
    return [path for method, path in proxy.seen if method == "GET" and path.endswith(".png")]


def same(folder: Path, photos: Path, names: Callable[[str], bool] = lambda name: True) -> bool:
    """Tell whether a folder has these images and no others."""
    there = {p.relative_to(photos).as_posix(): p.read_bytes() for p in photos.glob("*/0*.png")}
    here = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*.png")}
    return here == {name: data for name, data in there.items() if names(name)}


def test_folder_is_brought_once(url: str, photos: Path, proxy: FaultProxy) -> None:
    """The second start looks and fetches nothing; the bytes, and the digest, are the folder's."""
    said: list[str] = []
    folder = local_folder(url, said.append)
    assert same(folder, photos)
    assert len(gets(proxy)) == 30
    assert "bringing 30 files" in said[0]
    assert local_folder(url, said.append) == folder
    assert len(gets(proxy)) == 30
    assert len(said) == 1
    few = folder.parent / "few"
    shutil.copytree(photos, few, ignore=lambda _, names: [n for n in names if n[0] in "123"])
    assert open_folder(folder).digest() == open_folder(few).digest()


def test_what_changes_there_changes_here(url: str, photos: Path, store: Store) -> None:
    """New, replaced and removed: a run on them is then refused or not, as with a folder."""
    folder = local_folder(url)
    store.delete("zero/00.png")
    store.put("one/01.png", b"another")
    store.put("three/00.png", b"new")
    local_folder(url)
    assert not (folder / "zero/00.png").exists()
    assert (folder / "one/01.png").read_bytes() == b"another"
    assert (folder / "three/00.png").read_bytes() == b"new"


def test_what_was_brought_before_a_crash_is_not_brought_again(
    url: str, photos: Path, proxy: FaultProxy
) -> None:
    """Cut off after some images, the next start fetches the others."""
    served = iter(range(12))
    proxy.choose = lambda request: Fault(
        drop=request.path.endswith(".png") and next(served, None) is None
    )
    with pytest.raises(StorageError):
        local_folder(url)
    got = len(gets(proxy))
    assert 0 < got < 30
    proxy.heal()
    assert same(local_folder(url), photos)
    assert len(gets(proxy)) == 30


def test_faults_on_the_way_change_no_image(url: str, photos: Path, proxy: FaultProxy) -> None:
    """Throttled, cut, dropped, and with bits that flip: every byte is as it was stored."""
    faults = (Fault(status=503), Fault(cut_answer=300), Fault(drop=True), Fault(flip_answer=True))
    proxy.choose = proxy.choose
    proxy.sometimes(0.2, 3, *faults)
    listing = proxy.choose
    proxy.choose = lambda r: listing(r) if r.path.endswith(".png") else Fault()
    assert same(local_folder(url), photos)


def test_two_processes_bring_it_once(
    url: str, photos: Path, proxy: FaultProxy, scratch: Path
) -> None:
    """The second waits for the first, and finds it there."""
    command = [sys.executable, "-c", BRING, url]
    children = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ)
        for _ in range(2)
    ]
    folders = {child.communicate(timeout=60)[0].strip() for child in children}
    assert len(folders) == 1
    assert same(Path(folders.pop()), photos)
    assert len(gets(proxy)) == 30


def test_whole_copy_does_without_the_store(url: str, photos: Path, proxy: FaultProxy) -> None:
    """A start of a run whose images are here is not stopped by a store that is away."""
    folder = local_folder(url)
    proxy.always(drop=True)
    said: list[str] = []
    assert local_folder(url, said.append) == folder
    assert "going on with the copy" in said[-1]


def test_nothing_there_is_an_error_of_the_data(url: str) -> None:
    """Exit code 2, and the URL."""
    with pytest.raises(DataError, match=f"{url}: nothing is there"):
        local_folder(url)
