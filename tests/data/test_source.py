import numpy as np

from holdfast.data import demo_digits


def test_the_digits_are_a_source() -> None:
    """A first run needs no data: 1,797 digits, 10 classes, in a fixed order."""
    source = demo_digits()
    assert len(source.names) == len(source.labels) == len(set(source.names)) == 1797
    assert source.classes == tuple("0123456789")
    assert source.split is None
    assert source.digest() == demo_digits().digest()


def test_a_digit_uses_the_whole_range_of_grey() -> None:
    """The set's 0..16 becomes 0..255, three equal channels."""
    source = demo_digits()
    pixels = np.stack([np.asarray(source.read(i)) for i in range(100)])
    assert pixels.shape == (100, 8, 8, 3)
    assert (pixels.min(), pixels.max()) == (0, 255)
    assert (pixels[..., 0] == pixels[..., 2]).all()


def test_some_digits_are_a_source() -> None:
    """What is taken keeps its images and names, and is split as told."""
    source = demo_digits()
    some = source.take(np.array([3, 0, 7]), np.array([0, 1, 2], dtype=np.int8))

    assert some.names == [source.names[i] for i in (3, 0, 7)]
    assert some.labels.tolist() == source.labels[[3, 0, 7]].tolist()
    assert some.split is not None
    assert some.split.tolist() == [0, 1, 2]
    assert np.array_equal(some.read(1), source.read(0))
    assert some.digest() != source.digest()
    assert len(source.names) == 1797
