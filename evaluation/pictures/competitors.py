"""Other picture formats at the same size in bytes: scaled down, encoded, decoded, and scaled up again."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from layercast_common.errors import MissingExtraError

#: Factors by which pictures are scaled down before they are encoded.
SCALES = (1, 2, 3, 4, 6, 8)

#: Largest ratio of a competitor's size to the requested one: quality levels come in steps.
NEAR = 1.15


@dataclass(frozen=True, eq=False, slots=True)
class Coded:
    """A picture after a round trip through a format.

    Attributes:
        pixels: (H, W, 3) uint8 RGB, scaled up to the original's size.
        size: encoded size in bytes.
    """

    pixels: NDArray[np.uint8]
    size: int


@dataclass(frozen=True, eq=False, slots=True)
class Format:
    """A picture format.

    Attributes:
        name: its name.
        qualities: arguments of `encode`, from the fewest bytes to the most.
        encode: encodes (H, W, 3) uint8 RGB at a quality.
        decode: the inverse.
    """

    name: str
    qualities: range
    encode: Callable[[NDArray[np.uint8], int], bytes]
    decode: Callable[[bytes], NDArray[np.uint8]]


def load_formats() -> tuple[Format, ...]:
    """Return WebP, AVIF, JPEG and JPEG XL encoders at high effort.

    Raises:
        MissingExtraError: imagecodecs is not installed.
    """
    try:
        import imagecodecs
    except ImportError as error:
        raise MissingExtraError("comparing with other picture formats", "bench") from error
    codecs: Any = imagecodecs
    return (
        Format("WebP", range(101), partial(codecs.webp_encode, lossless=False, method=6), codecs.webp_decode),
        Format("AVIF", range(101), partial(codecs.avif_encode, speed=6), codecs.avif_decode),
        Format("JPEG", range(1, 96), partial(codecs.jpeg8_encode, optimize=True), codecs.jpeg8_decode),
        # JPEG XL takes a distance, of which less is better, in place of a quality.
        Format("JPEG XL", range(150, -1, -1), partial(_encode_jpegxl, codecs), codecs.jpegxl_decode),
    )


def _encode_jpegxl(codecs: Any, picture: NDArray[np.uint8], tenths: int) -> bytes:
    return bytes(codecs.jpegxl_encode(picture, distance=tenths / 10, effort=7))


def candidates(picture: NDArray[np.uint8], size: int, codec: Format) -> list[Coded]:
    """Encode a picture at each scale, in the lowest quality that takes at least `size` bytes.

    Scales that take more than `NEAR` times `size` are left out; if all do, the smallest result is returned.

    Args:
        picture: (H, W, 3) uint8 RGB.
        size: least size in bytes.
        codec: the format.
    """
    found = [_at_scale(picture, size, codec, scale) for scale in SCALES]
    enough = [coded for coded in found if coded.size >= size]
    near = [coded for coded in enough if coded.size <= NEAR * size]
    return near or [min(enough or found, key=lambda coded: coded.size)]


def _at_scale(picture: NDArray[np.uint8], size: int, codec: Format, scale: int) -> Coded:
    height, width = picture.shape[:2]
    small = cv2.resize(picture, (width // scale, height // scale), interpolation=cv2.INTER_AREA)
    small = np.ascontiguousarray(small, np.uint8)
    low, high = 0, len(codec.qualities) - 1
    best = b""
    while low < high:
        middle = (low + high) // 2
        data = codec.encode(small, codec.qualities[middle])
        if len(data) >= size:
            high, best = middle, data
        else:
            low = middle + 1
    best = best or codec.encode(small, codec.qualities[high])
    drawn = np.asarray(codec.decode(best), np.uint8)
    return Coded(np.asarray(cv2.resize(drawn, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8), len(best))
