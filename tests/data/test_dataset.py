import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from holdfast.data import ImageCache, ImageSet, demo_digits, prepare


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> ImageCache:
    """All the digits, 8x8."""
    return prepare(demo_digits(), tmp_path_factory.mktemp("cache"), resize=8)


def test_one_image_and_a_batch_agree(digits: ImageCache) -> None:
    """Indices count within the set; images and labels are those of the cache."""
    images = ImageSet(digits, [1796, 3, 700])
    batch, labels = images.__getitems__([2, 0])
    assert batch.shape == (2, 8, 8, 3)
    assert (batch.dtype, labels.dtype) == (torch.uint8, torch.int64)
    assert np.array_equal(batch.numpy(), digits.gather([700, 1796]))
    image, label = images[2]
    assert torch.equal(image, batch[0])
    assert label == labels[0] == digits.labels[700]
    assert images.labels.tolist() == digits.labels[[1796, 3, 700]].tolist()


@pytest.mark.parametrize("workers", [0, 1])
def test_torchs_loader_takes_it(digits: ImageCache, workers: int) -> None:
    """Anybody's DataLoader works, with worker processes or without."""
    images = ImageSet(digits, np.arange(100))
    loader = DataLoader(images, batch_size=32, num_workers=workers, collate_fn=tuple)
    batches = list(loader)
    assert [len(labels) for _, labels in batches] == [32, 32, 32, 4]
    assert np.array_equal(torch.cat([b for b, _ in batches]).numpy(), digits.gather(range(100)))
