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
