"""The memory that decoding a picture may take, and how a large one is read in less.

A JPEG is decoded scaled, by up to an eighth. Every other large picture is decoded, then scaled down in strips, so that
no second copy of its size exists; one at a time. So reading pictures takes at most MAX_DECODED_BYTES at any moment,
and the scaled pictures themselves, of at most 4 bytes for each pixel of (2 * WORKING_SIDE) ** 2.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from PIL import Image, JpegImagePlugin

#: Most bytes that decoding a picture may take at its peak (640 MiB).
MAX_DECODED_BYTES = 640 << 20

#: Most pixels of a picture that is not a JPEG.
MAX_PIXELS = 80_000_000

#: Least length that scaling down leaves of a picture's long side, in pixels: half as much again as the largest canvas.
WORKING_SIDE = 3072

#: Pictures with more pixels are decoded one at a time.
LARGE_PIXELS = 16_000_000

#: Peak of decoding in bytes for each pixel, by format, without the file itself: Pillow's own pixels, and the copies of
#: its decoders. Measured by `python -m evaluation.codec.memory`, with alpha and, where the format has them, with more
#: than 8 bits; those of HEIF and JXL with alpha and more than 8 bits are estimates.
_PEAKS = {"WEBP": 16, "AVIF": 18, "JPEG2000": 20, "HEIF": 16, "JXL": 18, "GIF": 4, "QOI": 5}

#: Pixels of a strip.
_STRIP = 1 << 21

_one_large = threading.Lock()


@contextmanager
def decoding(image: Image.Image) -> Iterator[None]:
    """Hold the place of the only large picture within the block; small ones need none."""
    if image.width * image.height <= LARGE_PIXELS:
        yield
    else:
        with _one_large:
            yield


def scale_draft(image: Image.Image) -> None:
    """Make a large JPEG decode at a half, a quarter or an eighth of its size."""
    factor = reduction(image.size)
    if factor > 1 and isinstance(image, JpegImagePlugin.JpegImageFile):
        image.draft(image.mode, (max(1, image.width // factor), max(1, image.height // factor)))


def fits(image: Image.Image, full: tuple[int, int], file_bytes: int = 0) -> bool:
    """Return whether a picture can be decoded within MAX_DECODED_BYTES, and has at most MAX_PIXELS.

    Args:
        image: opened, not loaded, and scaled by `scale_draft`.
        full: (width, height) before that.
        file_bytes: size of its file; decoders of some formats hold all of it.
    """
    pixels = image.width * image.height
    if pixels > MAX_PIXELS:
        return False
    peak = pixels * max(_stored_bytes(image.mode), _PEAKS.get(image.format or "", 0))
    return peak + file_bytes + _coefficient_bytes(image, full) <= MAX_DECODED_BYTES


def reduction(size: tuple[int, int]) -> int:
    """Return the integer by which a picture of this size is scaled down: 1 for none."""
    return max(1, max(size) // WORKING_SIDE)


def reduce_in_strips(
    size: tuple[int, int], factor: int, read: Callable[[tuple[int, int, int, int]], Image.Image]
) -> Image.Image:
    """Scale a picture down by an integer, strip by strip; each pixel of the result is the mean of a square.

    Args:
        size: (width, height) of the picture, in pixels.
        factor: the integer, at least 1.
        read: returns a box (left, top, right, bottom) of the picture as PIL RGB.
    """
    width, height = size
    result = Image.new("RGB", (-(-width // factor), -(-height // factor)))
    rows = factor * max(1, _STRIP // (width * factor))
    for top in range(0, height, rows):
        strip = read((0, top, width, min(top + rows, height)))
        result.paste(strip.reduce(factor), (0, top // factor))
    return result


def _stored_bytes(mode: str) -> int:
    return 1 if mode in ("1", "L", "P") else 2 if mode.startswith("I;16") else 4


def _coefficient_bytes(image: Image.Image, full: tuple[int, int]) -> int:
    """Return the bytes of a progressive JPEG's coefficients: 2 each, of the whole picture, whatever its scale."""
    if not isinstance(image, JpegImagePlugin.JpegImageFile) or not image.info.get("progressive"):
        return 0
    layers = image.layer
    tallest = max((layer[2] for layer in layers), default=1) or 1
    widest = max((layer[1] for layer in layers), default=1) or 1
    shares = sum(layer[1] * layer[2] for layer in layers) / (widest * tallest)
    return int(2 * full[0] * full[1] * shares)
