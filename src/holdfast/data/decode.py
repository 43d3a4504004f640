"""One image file, whatever its kind, to upright 8-bit RGB."""

import struct
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

DECODE_VERSION = 1
"""Part of the cache's key: raise it when this file gives other pixels than before."""

# What Pillow may try. EPS is left out because opening one runs Ghostscript.
_COMMON = ("JPEG", "MPO", "PNG", "GIF", "BMP", "DIB", "TIFF", "WEBP", "AVIF", "JPEG2000")
_FORMATS = (*_COMMON, "PPM", "ICO", "PCX", "SGI", "TGA")

# EXIF tag 0x0112 says how the camera was held; this undoes it.
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# What Pillow's decoders raise on broken bytes, besides OSError.
_BROKEN = (
    *(SyntaxError, ValueError, ArithmeticError, EOFError, LookupError, TypeError, RuntimeError),
    *(struct.error, Image.DecompressionBombError),
)


class BadImage(Exception):  # noqa: N818 - a finding about a file, not a fault of the program
    """A file that cannot be used as an image; ``reason`` says why, in a few words."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


def decode(path_or_file: Path | BinaryIO, at_least: int | None = None) -> Image.Image:
    """Decode an image to upright RGB; of an animation, the first frame.

    16-bit greys are scaled, not clipped; transparency is laid on white. With ``at_least`` a
    JPEG may come back smaller, its shorter side not below twice that many pixels (decoding at
    reduced size is several times faster).

    Raises:
        BadImage: the file is missing, empty, truncated, broken, too large, or not an image.
    """
    try:
        with quiet_pillow(), ExitStack() as stack:
            if isinstance(path_or_file, Path):
                file: BinaryIO = stack.enter_context(path_or_file.open("rb"))
            else:
                file = path_or_file
            return _decode(file, at_least)
    except (OSError, *_BROKEN) as error:
        raise BadImage(_reason(error)) from error


def looks_like_image(path: Path) -> bool:
    """Tell by its first bytes whether a file is an image, whatever its name."""
    try:
        with quiet_pillow(), Image.open(path, formats=_formats()):
            return True
    except (OSError, *_BROKEN):
        return False


def square(image: Image.Image, side: int) -> NDArray[np.uint8]:
    """Scale the shorter side to ``side`` pixels, cut out the centre: (side, side, 3)."""
    width, height = image.size
    edge = min(width, height)
    left, top = (width - edge) / 2, (height - edge) / 2
    box = (left, top, left + edge, top + edge)
    # Pillow's bicubic widens its kernel when it shrinks: antialiased
    return np.asarray(image.resize((side, side), Image.Resampling.BICUBIC, box=box))


def _decode(file: BinaryIO, at_least: int | None) -> Image.Image:
    if not file.read(1):
        raise BadImage("the file is empty")
    file.seek(0)
    with Image.open(file, formats=_formats()) as image:
        if at_least is not None:
            image.draft(None, (2 * at_least, 2 * at_least))
        image.load()
        turn = _UPRIGHT.get(_orientation(image))
        rgb = _to_rgb(image)
    return rgb if turn is None else rgb.transpose(turn)


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(0x0112, 1))
    except (OSError, *_BROKEN):
        return 1  # broken metadata is no reason to lose good pixels


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):
        return _from_grey(np.asarray(image).astype(np.float64), 65535.0)
    if image.mode in ("I", "F"):
        values = np.asarray(image).astype(np.float64)
        return _from_grey(values, _white_of(values, image.mode))
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        paper = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(paper, rgba).convert("RGB")
    return image.convert("RGB")


def _white_of(values: NDArray[np.float64], mode: str) -> float:
    """Guess which value is white in 32-bit greys: the smallest common full scale that fits."""
    if not np.isfinite(values).all():
        raise BadImage("holds values that are not numbers")
    if values.min() < 0:
        raise BadImage("holds negative values: its scale is unknown")
    # Pillow reads some 16-bit files as 32-bit integers, so there 16 bits are the least
    scales = (1.0, 255.0, 65535.0) if mode == "F" else (65535.0,)
    highest = float(values.max())
    return next((scale for scale in scales if highest <= scale), highest)


def _from_grey(values: NDArray[np.float64], white: float) -> Image.Image:
    grey = np.round(values * (255.0 / white)).astype(np.uint8)
    return Image.fromarray(grey).convert("RGB")


@cache
def _formats() -> list[str]:
    Image.init()  # loads the plugins; an older Pillow may lack some
    return [name for name in _FORMATS if name in Image.OPEN]


def _reason(error: BaseException) -> str:
    if isinstance(error, PermissionError):
        return "permission denied"
    if isinstance(error, FileNotFoundError):
        return "there is no such file, or it is a link that points nowhere"
    if isinstance(error, UnidentifiedImageError):
        return "not an image of a known format"
    if isinstance(error, Image.DecompressionBombError):
        return f"too large: more than {2 * (Image.MAX_IMAGE_PIXELS or 0) // 10**6} million pixels"
    if "truncated" in str(error).lower():
        return "truncated: the file ends too early"
    first_line = (str(error) or type(error).__name__).splitlines()[0]
    return f"broken: {first_line}"


_quiet_lock = threading.Lock()
_quiet_threads = 0
_quiet_stack = ExitStack()


@contextmanager
def quiet_pillow() -> Iterator[None]:
    """Silence warnings while any thread decodes.

    Pillow warns of odd metadata and of large (not yet too large) images: both are used as they
    are. `warnings.catch_warnings` swaps a global list, so only the first one in and the last one
    out may touch it; who starts threads that decode stays in while they run.
    """
    global _quiet_threads
    with _quiet_lock:
        if _quiet_threads == 0:
            _quiet_stack.enter_context(warnings.catch_warnings())
            warnings.simplefilter("ignore")
        _quiet_threads += 1
    try:
        yield
    finally:
        with _quiet_lock:
            _quiet_threads -= 1
            if _quiet_threads == 0:
                _quiet_stack.close()
