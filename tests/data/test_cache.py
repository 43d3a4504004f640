import os
import pickle
from collections.abc import Callable
from pathlib import Path

import filelock
import numpy as np
import pytest

from holdfast.data import ImageCache, decode, demo_digits, open_folder, prepare
from holdfast.data.decode import square
from holdfast.errors import DataError, StorageError
from tests.data.image_files import contents, dates, write_image

MakeFolder = Callable[..., Path]


def _all(cache: ImageCache) -> np.ndarray:
    return cache.gather(range(len(cache)))


def test_it_holds_what_decoding_gives(make_folder: MakeFolder, tmp_path: Path) -> None:
    """Each image, its name and its label stand at the same index."""
    root = make_folder({"a": 3, "b": 4})
    cache = prepare(open_folder(root), tmp_path / "cache", resize=6)
    assert len(cache) == 7
    assert cache.classes == ("a", "b")
    assert cache.labels.tolist() == [0, 0, 0, 1, 1, 1, 1]
    for index, name in enumerate(cache.names):
        assert np.array_equal(cache.gather([index])[0], square(decode(root / name), 6))
    assert (cache.resize, cache.bad, cache.split) == (6, (), None)
    assert cache.digest == open_folder(root).digest()


def test_gather_takes_any_order_across_files(digits: Path) -> None:
    """Images come in the order asked for, repeats included, out of several shards."""
    cache = prepare(demo_digits(), digits, resize=8)
    whole = _all(cache)
    order = [1796, 0, 511, 512, 0, 1024]
    assert np.array_equal(cache.gather(order), whole[order])
    assert cache.gather([]).shape == (0, 8, 8, 3)
    assert cache.gather(np.array([5])).flags.writeable


def test_predefined_splits_are_kept_in_step(make_folder: MakeFolder, tmp_path: Path) -> None:
    """A bad image leaves names, labels and split together."""
    root = make_folder({f"{part}/{name}": 2 for part in ("train", "val") for name in "ab"})
    (root / "train" / "a" / "000.png").write_bytes(b"")
    cache = prepare(open_folder(root), tmp_path / "cache", resize=6)
    assert cache.split is not None
    assert cache.split.tolist() == [0 if name.startswith("train") else 1 for name in cache.names]
    assert cache.labels.tolist() == [int("/b/" in name) for name in cache.names]
    assert len(cache) == len(_all(cache)) == 7


def test_progress_reaches_the_total(make_folder: MakeFolder, tmp_path: Path) -> None:
    """The bar moves image by image, and is full at once when there is nothing to do."""
    source = open_folder(make_folder({"a": 3, "b": 4}))
    first: list[tuple[int, int]] = []
    second: list[tuple[int, int]] = []
    prepare(source, tmp_path / "c", resize=6, progress=lambda *now: first.append(now))
    prepare(source, tmp_path / "c", resize=6, progress=lambda *now: second.append(now))
    assert first == [(i, 7) for i in range(1, 8)]
    assert second == [(7, 7)]


def test_the_number_of_threads_does_not_show(
    make_folder: MakeFolder, tmp_path: Path, digits: Path
) -> None:
    """One worker and many write the same bytes."""
    for workers in (1, 7):
        prepare(demo_digits(), tmp_path / str(workers), resize=8, workers=workers)
        assert contents(tmp_path / str(workers)) == contents(digits)


# Bad images


def test_a_bad_image_is_left_out_and_named(make_folder: MakeFolder, tmp_path: Path) -> None:
    """One bad image in any number is allowed, even where none is asked for."""
    root = make_folder({"a": 3, "b": 4})
    (root / "a" / "001.png").write_bytes(b"junk")
    cache = prepare(open_folder(root), tmp_path / "c", resize=6, max_bad_images=0.0)
    assert cache.bad == (("a/001.png", "not an image of a known format"),)
    assert cache.names[:2] == ("a/000.png", "a/002.png")
    assert np.array_equal(cache.gather([1])[0], square(decode(root / "a" / "002.png"), 6))


def test_too_many_bad_images_are_an_error(make_folder: MakeFolder, tmp_path: Path) -> None:
    """The message names some, counts the rest and says what to do; then that is enough."""
    root = make_folder({"a": 10, "b": 10})
    for i in range(7):
        (root / "a" / f"{i:03d}.png").write_bytes(b"")
    with pytest.raises(DataError) as caught:
        prepare(open_folder(root), tmp_path / "c", resize=6, max_bad_images=0.34)
    message = str(caught.value)
    assert "7 of 20 images cannot be read, only 6 may" in message
    assert "a/004.png: the file is empty; and 2 more" in message
    assert "raise --max-bad-images, or mend or remove them" in message
    assert caught.value.exit_code == 2
    cache = prepare(open_folder(root), tmp_path / "c", resize=6, max_bad_images=0.35)
    assert (len(cache), len(cache.bad)) == (13, 7)


def test_a_class_without_a_good_image_is_an_error(make_folder: MakeFolder, tmp_path: Path) -> None:
    """Few bad images in all, but the whole of one class."""
    root = make_folder({"a": 10, "b": 1})
    (root / "b" / "000.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"no image of class b can be read \(b/000.png: .*empty"):
        prepare(open_folder(root), tmp_path / "c", resize=6)


def test_no_good_image_at_all_is_an_error(make_folder: MakeFolder, tmp_path: Path) -> None:
    """A folder of files of a kind that is not supported, say."""
    root = make_folder({"a": 0, "b": 0})
    for name in "ab":
        (root / name / "x.heic").write_bytes(b"0000ftypheic")
    with pytest.raises(DataError, match=r"none of the 2 images can be read \(a/x\.heic"):
        prepare(open_folder(root), tmp_path / "c", resize=6, max_bad_images=1.0)


def test_real_troublemakers(odd_images: Path, leaves: Path, tmp_path: Path) -> None:
    """Among good images, the two broken ones are listed by name, the three odd ones used."""
    root = tmp_path / "images"
    root.mkdir()
    (root / "odd").symlink_to(odd_images)
    (root / "leaf").symlink_to(leaves / "tomato_healthy")
    cache = prepare(open_folder(root), tmp_path / "c", resize=16, max_bad_images=0.05)
    assert [name for name, _ in cache.bad] == [
        "odd/07_truncated_jpeg.jpg",
        "odd/09_truncated_png.png",
    ]
    assert all("truncated" in why for _, why in cache.bad)
    assert np.bincount(cache.labels).tolist() == [60, 3]


# Changes of the data


def test_a_changed_file_is_noticed(make_folder: MakeFolder, tmp_path: Path) -> None:
    """Other pixels, other digest, other cache: never the old pixels."""
    root = make_folder({"a": 3, "b": 3})
    old = prepare(open_folder(root), tmp_path / "c", resize=6)
    write_image(root / "a" / "001.png", number=999)
    new = prepare(open_folder(root), tmp_path / "c", resize=6)
    assert new.digest != old.digest
    assert new.fingerprint != old.fingerprint
    assert np.array_equal(new.gather([1])[0], square(decode(root / "a" / "001.png"), 6))
    assert np.array_equal(new.gather([0, 2, 3]), old.gather([0, 2, 3]))


def test_a_touched_file_is_not_decoded_again(make_folder: MakeFolder, tmp_path: Path) -> None:
    """A new date on the same bytes changes nothing."""
    root = make_folder({"a": 3, "b": 3})
    prepare(open_folder(root), tmp_path / "c", resize=6)
    before = dates(tmp_path / "c")
    os.utime(root / "a" / "001.png", (1, 1))
    prepare(open_folder(root), tmp_path / "c", resize=6)
    assert dates(tmp_path / "c") == before


def test_the_two_newest_caches_are_kept(make_folder: MakeFolder, tmp_path: Path) -> None:
    """Going back to the last size costs nothing, and the disk does not fill up."""
    source = open_folder(make_folder({"a": 3, "b": 3}))
    for resize in (5, 6, 7):
        prepare(source, tmp_path / "c", resize=resize)
    shapes = {np.load(path).shape for path in (tmp_path / "c").glob("*/*.npy")}
    assert shapes == {(6, 6, 6, 3), (6, 7, 7, 3)}


def test_foreign_files_are_never_removed(make_folder: MakeFolder, tmp_path: Path) -> None:
    """Clearing away old caches touches only what this module wrote."""
    source = open_folder(make_folder({"a": 3, "b": 3}))
    mine = tmp_path / "c" / ("0" * 16) / "mine.txt"
    other = tmp_path / "c" / "notes" / "images_00000.npy"
    for path in (mine, other):
        path.parent.mkdir(parents=True)
        path.write_text("keep me")
    for resize in (5, 6, 7):
        prepare(source, tmp_path / "c", resize=resize)
    assert mine.exists()
    assert other.exists()


# Company


def test_a_second_process_waits_and_can_be_stopped(tmp_path: Path) -> None:
    """While another one decodes, nothing is decoded twice; a signal ends the waiting."""
    calls = 0

    def stop_at_second_look() -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise KeyboardInterrupt

    with filelock.FileLock(tmp_path / "cache.lock"), pytest.raises(KeyboardInterrupt):
        prepare(demo_digits(), tmp_path, resize=8, check_stop=stop_at_second_look)
    assert [path.name for path in tmp_path.iterdir()] == ["cache.lock"]


def test_a_cache_that_cannot_be_written_says_so(
    open_place: Path, unprivileged: Callable[[], object]
) -> None:
    """No permission in the cache directory is the disk's refusal, not a traceback."""
    digits = demo_digits()
    digits.read(0)  # loads everything before the permissions go
    (open_place / "c").mkdir(mode=0o555)
    with unprivileged(), pytest.raises(StorageError, match="writable"):
        prepare(digits, open_place / "c", resize=8)


def test_another_process_maps_the_same_files(tmp_path: Path) -> None:
    """Sent to a worker, a cache is a path and an index, not gigabytes of pixels."""
    cache = prepare(demo_digits(), tmp_path, resize=32)
    sent = pickle.dumps(cache)
    assert len(sent) < cache.gather([0]).nbytes * len(cache) / 10
    received = pickle.loads(sent)
    assert np.array_equal(_all(received), _all(cache))
    assert received.fingerprint == cache.fingerprint


def test_the_real_leaves(leaves: Path, tmp_path: Path) -> None:
    """780 photographs, all good, 60 of each class."""
    cache = prepare(open_folder(leaves), tmp_path, resize=37)
    assert np.bincount(cache.labels).tolist() == [60] * 13
    assert cache.bad == ()
    assert _all(cache).std() > 10
