from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from holdfast.data import (
    ImageCache,
    ImageSet,
    PlacedSet,
    demo_digits,
    has_room,
    on_device,
    open_folder,
    place,
    prepare,
)

MakeFolder = Callable[..., Path]
CPU = torch.device("cpu")
ORDER = [1796, 3, 700, 3, 12]


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> ImageCache:
    """All the digits, 8x8."""
    return prepare(demo_digits(), tmp_path_factory.mktemp("cache"), resize=8)


def same(batch: tuple[Any, Any], other: tuple[Any, Any]) -> bool:
    return all(
        a.dtype == b.dtype and a.is_contiguous() and torch.equal(a.cpu(), b.cpu())
        for a, b in zip(batch, other, strict=True)
    )


def test_a_batch_is_the_same_wherever_the_images_are(digits: ImageCache) -> None:
    """Indexing what was placed gives the bytes and the labels that the files give."""
    images = ImageSet(digits, ORDER)
    placed = PlacedSet(digits, ORDER, place(digits, CPU))
    for indices in ([4, 0, 2], [1], list(range(5))):
        assert same(placed.__getitems__(indices), images.__getitems__(indices))
    assert torch.equal(placed[2][0], images[2][0])
    assert (placed[2][1], len(placed)) == (images[2][1], len(images))


def test_bad_images_are_left_out_of_what_is_placed(make_folder: MakeFolder, tmp_path: Path) -> None:
    """What is placed is counted as the cache counts its good images, not as its files do."""
    root = make_folder({"a": 3, "b": 3})
    (root / "a" / "001.png").write_bytes(b"no image")
    cache = prepare(open_folder(root), tmp_path / "c", resize=6)
    assert len(cache) == 5
    assert np.array_equal(place(cache, CPU).numpy(), cache.gather(range(5)))


def test_on_the_cpu_images_stay_in_their_files(digits: ImageCache) -> None:
    """Training on the CPU keeps no second copy, and sets of somebody's own are left alone."""
    images, own = ImageSet(digits, ORDER), [(torch.zeros(3), 1)]
    assert not has_room(CPU, 0)
    assert on_device(images, CPU) is images
    assert on_device(own, CPU) is own


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_gpu_keeps_the_images_once(digits: ImageCache) -> None:
    """All sets of a process share one copy on the device, and batches are indexed there."""
    device = torch.device("cuda")
    train, val = (on_device(ImageSet(digits, part), device) for part in (ORDER, [7, 8]))
    assert train.pixels is val.pixels
    batch = train.__getitems__([4, 0, 2])
    assert batch[0].device.type == "cuda"
    assert same(batch, ImageSet(digits, ORDER).__getitems__([4, 0, 2]))
    assert not has_room(device, torch.cuda.mem_get_info(device)[0])
