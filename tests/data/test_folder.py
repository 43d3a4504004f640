import os
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from holdfast.data import BadImage, open_folder
from holdfast.errors import DataError
from tests.data.image_files import write_image

MakeFolder = Callable[..., Path]
Unprivileged = Callable[[], AbstractContextManager[None]]


def _refused(root: Path) -> str:
    with pytest.raises(DataError) as caught:
        open_folder(root)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_folder_per_class(make_folder: MakeFolder) -> None:
    """Sub-folders are classes, in the order of their bytes, as are the images."""
    source = open_folder(make_folder({"b": 2, "a": 1, "Z": 1}))
    assert source.classes == ("Z", "a", "b")
    assert source.names == ["Z/000.png", "a/000.png", "b/000.png", "b/001.png"]
    assert source.labels.tolist() == [0, 1, 2, 2]
    assert source.split is None
    assert source.read(0).size == (12, 10)


def test_only_images_count(make_folder: MakeFolder) -> None:
    """Notes, thumbnails' databases, hidden and stray files are passed over; odd names are not."""
    root = make_folder({"a": 1, "b": 1})
    write_image(root / "a" / "deeper" / "down.PNG")
    write_image(root / "a" / "without_suffix")
    write_image(root / "a" / "photo.dat")
    write_image(root / "a" / ".hidden.png")
    write_image(root / "a" / ".hidden" / "x.png")
    write_image(root / "stray.png")
    for name in ("notes.txt", "Thumbs.db", "SOURCE.md", "README", "labels.csv", "x.json"):
        (root / "a" / name).write_text("not an image")
    if hasattr(os, "mkfifo"):
        os.mkfifo(root / "a" / "pipe.png")
    names = open_folder(root).names
    assert names == [
        "a/000.png",
        "a/deeper/down.PNG",
        "a/photo.dat",
        "a/without_suffix",
        "b/000.png",
    ]


def test_a_broken_image_is_listed_not_passed_over(make_folder: MakeFolder) -> None:
    """What is called an image and is none is reported when it is read."""
    root = make_folder({"a": 1, "b": 1})
    (root / "a" / "empty.jpg").write_bytes(b"")
    (root / "a" / "gone.jpg").symlink_to("nowhere")
    (root / "a" / "phone.HEIC").write_bytes(b"0000ftypheic")
    source = open_folder(root)
    assert source.names[1:4] == ["a/empty.jpg", "a/gone.jpg", "a/phone.HEIC"]
    for index in (1, 2, 3):
        with pytest.raises(BadImage):
            source.read(index)


def test_links_are_followed_and_loops_end(make_folder: MakeFolder, tmp_path: Path) -> None:
    """A class may live elsewhere; links in a circle do not hang."""
    root = make_folder({"a": 1, "b": 1})
    elsewhere = write_image(tmp_path / "elsewhere" / "x.png").parent
    (root / "c").symlink_to(elsewhere)
    (root / "a" / "loop").symlink_to(root)
    (root / "b" / "self").symlink_to("self")
    source = open_folder(root)
    assert "c/x.png" in source.names
    assert source.labels.tolist().count(source.classes.index("b")) == 1


def test_names_that_are_not_utf8(make_folder: MakeFolder) -> None:
    """Such names are shown with their bytes escaped, and their files are read."""
    root = make_folder({"a": 1, "b": 1})
    odd = os.fsdecode(b"caf\xe9")
    try:
        (root / "b").rename(root / odd)
    except OSError:
        pytest.skip("this file system has no such names")
    write_image(root / odd / f"{odd}.png")
    source = open_folder(root)
    assert source.classes == ("a", r"caf\xe9")
    assert source.names[-1] == r"caf\xe9/caf\xe9.png"
    assert "".join(source.names).isascii()
    assert source.read(2).size == (12, 10)
    assert len(source.digest()) == 64


@pytest.mark.parametrize("val", ["val", "valid", "Validation"])
def test_predefined_splits(make_folder: MakeFolder, val: str) -> None:
    """train/, val/ and test/ say which image is what."""
    root = make_folder({"train/a": 2, "train/b": 1, f"{val}/a": 1, f"{val}/b": 1, "test/a": 1})
    write_image(root / "test" / "b" / "0.png")
    source = open_folder(root)
    assert source.classes == ("a", "b")
    assert source.split is not None
    parts = dict(zip(source.names, source.split.tolist(), strict=True))
    assert parts["train/a/001.png"] == 0
    assert parts[f"{val}/a/000.png"] == 1
    assert parts["test/b/0.png"] == 2


def test_train_alone_is_a_split_and_beside_other_classes_a_class(make_folder: MakeFolder) -> None:
    """train/ with nothing beside it holds the classes; beside car/ and bus/ it is one."""
    root = make_folder({"train/a": 1, "train/b": 1})
    assert open_folder(root).split is not None
    make_folder({"car": 1, "bus": 1})
    assert open_folder(root).classes == ("bus", "car", "train")


def test_no_such_folder(tmp_path: Path) -> None:
    """A wrong path is named."""
    (tmp_path / "file").write_text("")
    assert "cannot be found" in _refused(tmp_path / "missing")
    assert "is not a folder" in _refused(tmp_path / "file")


def test_an_empty_folder(tmp_path: Path) -> None:
    """Nothing in it, or images without class folders: the message says what is expected."""
    assert "holds no class: give a folder with one sub-folder per class" in _refused(tmp_path)
    write_image(tmp_path / "x.png")
    assert "holds no class" in _refused(tmp_path)


def test_one_class(make_folder: MakeFolder) -> None:
    """There is nothing to tell apart."""
    assert "one class only, a: at least two" in _refused(make_folder({"a": 3}))


def test_a_class_without_images(make_folder: MakeFolder) -> None:
    """An empty class folder is named."""
    message = _refused(make_folder({"a": 3, "b": 0}))
    assert "b holds no image" in message


@pytest.mark.parametrize(
    ("one", "other"),
    [("Leaf", "leaf"), ("caf\u00e9", "cafe\u0301"), ("leaf", "leaf "), ("Straße", "STRASSE")],
)
def test_duplicate_class_names(make_folder: MakeFolder, one: str, other: str) -> None:
    """Names that another system takes for one are refused, and both are shown."""
    root = make_folder({one: 1, other: 1, "third": 1})
    if len(list(root.iterdir())) < 3:
        pytest.skip("this file system takes them for one already")
    message = _refused(root)
    assert ascii(one) in message
    assert ascii(other) in message


@pytest.mark.parametrize(
    ("classes", "words"),
    [
        ({"train/a": 1, "train/b": 1, "val/a": 1, "val/c": 1}, "val/ holds c/, train/ does not"),
        ({"train/a": 1, "train/b": 1, "test/a": 1}, "test/ lacks b/, train/ has it"),
        ({"val/a": 1, "test/a": 1}, "holds test/ but no train/"),
        ({"train/a": 1, "val/a": 1, "valid/a": 1}, "keep one of each kind"),
        ({"train/Leaf": 1, "train/b": 1, "val/leaf": 1, "val/b": 1}, "'Leaf' and 'leaf'"),
    ],
)
def test_splits_that_disagree(make_folder: MakeFolder, classes: dict[str, int], words: str) -> None:
    """A class that cannot be learnt, or cannot be measured, is named."""
    assert words in _refused(make_folder(classes))


@pytest.mark.parametrize("closed", ["", "b"])
@pytest.mark.parametrize("mode", [0o000, 0o444, 0o111])
def test_a_folder_that_may_not_be_listed(
    make_folder: MakeFolder, open_place: Path, unprivileged: Unprivileged, closed: str, mode: int
) -> None:
    """No permission is an error that names the folder, be it the whole or a class."""
    root = make_folder({"a": 1, "b": 1}, open_place / "images")
    (root / closed).chmod(mode)
    with unprivileged():
        message = _refused(root)
    (root / closed).chmod(0o755)
    assert f"cannot list {root / closed}: " in message
    assert "ermission denied" in message


def test_a_file_that_may_not_be_read(
    make_folder: MakeFolder, open_place: Path, unprivileged: Unprivileged
) -> None:
    """No permission makes a bad image; once readable, the data count as changed."""
    root = make_folder({"a": 2, "b": 1}, open_place / "images")
    (root / "a" / "001.png").chmod(0)
    with unprivileged():
        source = open_folder(root)
        without = source.digest()
        with pytest.raises(BadImage, match="permission denied"):
            source.read(1)
    (root / "a" / "001.png").chmod(0o644)
    assert open_folder(root).digest() != without


def test_the_digest_follows_what_counts(make_folder: MakeFolder) -> None:
    """Contents, names and classes change it; dates and the folder's place do not."""
    root = make_folder({"a": 2, "b": 2})
    first = open_folder(root).digest()
    os.utime(root / "a" / "000.png", (1, 1))
    root = root.rename(root.with_name("moved"))
    assert open_folder(root).digest() == first
    digests = {first}
    with (root / "a" / "000.png").open("ab") as file:
        file.write(b"x")
    digests.add(open_folder(root).digest())
    (root / "a" / "001.png").rename(root / "a" / "002.png")
    digests.add(open_folder(root).digest())
    (root / "b").rename(root / "c")
    digests.add(open_folder(root).digest())
    shutil.rmtree(root / "c")
    write_image(root / "d" / "x.png")
    digests.add(open_folder(root).digest())
    assert len(digests) == 5


def test_the_real_leaves(leaves: Path) -> None:
    """13 classes of 60; the note beside them is no image."""
    source = open_folder(leaves)
    assert len(source.classes) == 13
    assert len(source.names) == 780
    assert (source.labels[59], source.labels[60]) == (0, 1)
