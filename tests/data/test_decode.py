import io
import struct
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from holdfast.data import BadImage, decode
from holdfast.data.decode import looks_like_image, square
from tests.data.image_files import write_image


def _decoded(image: Image.Image, format_name: str, **options: object) -> np.ndarray:
    """Save, decode, and return the pixels (H, W, 3)."""
    file = io.BytesIO()
    image.save(file, format_name, **options)
    file.seek(0)
    rgb = decode(file)
    assert rgb.mode == "RGB"
    return np.asarray(rgb)


def _reason(path: Path) -> str:
    with pytest.raises(BadImage) as caught:
        decode(path)
    return caught.value.reason


@pytest.mark.parametrize("format_name", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_not_clipped(format_name: str) -> None:
    """Half of full scale stays half: 32768 of 65535 is 128 of 255."""
    values = np.array([[0, 256, 32768, 65535]], dtype=np.uint16)
    pixels = _decoded(Image.fromarray(values), format_name)
    assert pixels[0, :, 0].tolist() == [0, 1, 128, 255]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([[0.0, 0.5, 1.0]], dtype=np.float32), [0, 128, 255]),
        (np.array([[0.0, 100.0, 200.0]], dtype=np.float32), [0, 100, 200]),
        (np.array([[0, 32768, 65535]], dtype=np.int32), [0, 128, 255]),
        (np.array([[0, 2**30, 2**31 - 1]], dtype=np.int32), [0, 128, 255]),
    ],
)
def test_wide_greys_are_scaled(values: np.ndarray, expected: list[int]) -> None:
    """32-bit integers and floats come to 8 bits by the smallest full scale that holds them."""
    assert _decoded(Image.fromarray(values), "TIFF")[0, :, 0].tolist() == expected


@pytest.mark.parametrize(("value", "why"), [(-1.0, "negative"), (np.nan, "not numbers")])
def test_values_without_a_scale_are_refused(tmp_path: Path, value: float, why: str) -> None:
    """Pixels that are no intensities are not guessed at."""
    Image.fromarray(np.array([[0.0, value]], dtype=np.float32)).save(tmp_path / "x.tif")
    assert why in _reason(tmp_path / "x.tif")


@pytest.mark.parametrize("mode", ["1", "L"])
def test_grey_becomes_rgb(mode: str) -> None:
    """One channel becomes three equal ones."""
    assert (
        _decoded(Image.new(mode, (3, 2), 1), "PNG").reshape(-1).tolist()
        == [255 if mode == "1" else 1] * 18
    )


def test_cmyk_becomes_rgb() -> None:
    """Pure cyan ink is no red."""
    pixels = _decoded(Image.new("CMYK", (8, 8), (255, 0, 0, 0)), "TIFF")
    assert pixels[0, 0].tolist() == [0, 255, 255]


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_is_laid_on_white(mode: str) -> None:
    """What shines through a leaf cut out of its background is white, not black."""
    black = (0, 0, 0, 0) if mode == "RGBA" else (0, 0)
    assert (_decoded(Image.new(mode, (4, 4), black), "PNG") == 255).all()
    half = Image.new("RGBA", (4, 4), (255, 0, 0, 128))
    assert np.abs(_decoded(half, "PNG")[0, 0].astype(int) - [255, 127, 127]).max() <= 1


def test_a_palette_with_transparency_is_laid_on_white() -> None:
    """Mode P with a transparent entry: that entry is white, the others keep their colours."""
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putdata([0, 1])
    assert _decoded(image, "PNG", transparency=0).tolist() == [[[255] * 3, [40, 50, 60]]]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation: int) -> None:
    """However the camera was held, the red corner ends up where the photographer saw it."""
    upright = np.zeros((16, 32, 3), dtype=np.uint8)
    upright[:8, :8, 0] = 255
    undo = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: np.rot90(a),
        7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
        8: lambda a: np.rot90(a, -1),
    }
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(np.ascontiguousarray(undo[orientation](upright)))
    pixels = _decoded(stored, "PNG", exif=exif)
    assert (pixels == upright).all()


def test_broken_metadata_does_not_cost_the_picture(tmp_path: Path) -> None:
    """EXIF that cannot be parsed is as good as none."""
    Image.new("RGB", (8, 8), "red").save(tmp_path / "x.jpg", exif=b"Exif\0\0II*\0\xff\xff\xff")
    assert decode(tmp_path / "x.jpg").size == (8, 8)


def test_a_wrong_name_does_not_matter(tmp_path: Path) -> None:
    """A PNG called .jpg is read as what it is."""
    assert decode(write_image(tmp_path / "x.jpg")).size == (12, 10)


def test_the_first_frame_of_an_animation_counts(tmp_path: Path) -> None:
    """A GIF that moves is its first picture."""
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "x.gif", save_all=True, append_images=frames[1:])
    assert decode(tmp_path / "x.gif").getpixel((0, 0)) == (255, 0, 0)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
@pytest.mark.parametrize("format_name", ["PNG", "JPEG"])
def test_a_truncated_file_is_bad(tmp_path: Path, format_name: str, share: float) -> None:
    """Half a download is not half a picture."""
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = tmp_path / "x"
    Image.fromarray(noise).save(path, format_name)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    assert "truncated" in _reason(path) or "broken" in _reason(path)


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"", "empty"), (b"<html>404</html>", "not an image"), (b"\x89PNG\r\n\x1a\n", "not an image")],
)
def test_what_is_no_image_says_why(tmp_path: Path, content: bytes, why: str) -> None:
    """Zero bytes, or an error page saved under an image's name."""
    (tmp_path / "x.png").write_bytes(content)
    assert why in _reason(tmp_path / "x.png")


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    """A link whose target was deleted."""
    assert "points nowhere" in _reason(tmp_path / "x.png")


def _png_claiming(width: int, height: int) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + crc

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def test_a_decompression_bomb_is_refused_unopened(tmp_path: Path) -> None:
    """A hundred bytes that claim ten billion pixels get none."""
    (tmp_path / "x.png").write_bytes(_png_claiming(100_000, 100_000))
    assert "too large" in _reason(tmp_path / "x.png")


def test_a_large_picture_is_used_without_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pillow warns from half its limit on; good pixels are used, and no warning gets out."""
    path = write_image(tmp_path / "x.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)  # the picture has 120
    assert decode(path).size == (12, 10)


def test_threads_leave_the_warning_filters_as_they_were(tmp_path: Path) -> None:
    """Silencing Pillow in many threads at once does not silence the program for good."""
    path = write_image(tmp_path / "x.png")
    before = list(warnings.filters)
    with ThreadPoolExecutor(8) as pool:
        assert all(image.size == (12, 10) for image in pool.map(decode, [path] * 200))
    assert list(warnings.filters) == before
    with pytest.warns(UserWarning, match="still heard"):
        warnings.warn("still heard", stacklevel=1)


def test_a_reduced_jpeg_is_large_enough(tmp_path: Path) -> None:
    """The hint makes decoding cheaper, never the cached image blurrier."""
    Image.new("RGB", (1600, 800), "green").save(tmp_path / "x.jpg")
    assert decode(tmp_path / "x.jpg").size == (1600, 800)
    assert decode(tmp_path / "x.jpg", at_least=100).size == (400, 200)


@pytest.mark.parametrize("size", [(40, 20), (20, 40), (7, 300), (1, 1), (20, 20)])
def test_square_takes_the_centre(size: tuple[int, int]) -> None:
    """Whatever the shape, the shorter side fills the square and the longer one is cut evenly."""
    pixels = square(Image.new("RGB", size, "white"), 10)
    assert pixels.shape == (10, 10, 3)
    assert (pixels == 255).all()
    halves = Image.new("RGB", (40, 20))
    halves.paste("white", (20, 0, 40, 20))
    assert square(halves, 10)[:, :4].max() == 0
    assert square(halves, 10)[:, 6:].min() == 255


def test_content_tells_an_image(tmp_path: Path) -> None:
    """Files without a telling name are judged by their first bytes."""
    (tmp_path / "README").write_text("no image")
    assert looks_like_image(write_image(tmp_path / "photo"))
    assert not looks_like_image(tmp_path / "README")
    assert not looks_like_image(tmp_path / "missing")


def test_real_troublemakers(odd_images: Path) -> None:
    """Real odd files: turned, CMYK and palette ones are read; truncated ones are named so."""
    assert decode(odd_images / "06_exif_orientation6_photo.jpg").size == (1200, 1800)
    assert decode(odd_images / "08_cmyk_jpeg.jpg").mode == "RGB"
    assert decode(odd_images / "10_palette_png.png").mode == "RGB"
    assert "truncated" in _reason(odd_images / "07_truncated_jpeg.jpg")
    assert "truncated" in _reason(odd_images / "09_truncated_png.png")
