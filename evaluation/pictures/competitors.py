"""What other picture formats make of the same bytes: scaled down, coded as small as they go, scaled up again."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from layercast_common.errors import MissingExtraError

#: Sides that pictures are scaled down to before they are coded, in shares of their own.
SCALES = (1, 2, 3, 4, 6, 8)

#: Bytes that a competitor may take more than it is given, as a share: qualities come in steps.
NEAR = 1.15


@dataclass(frozen=True, eq=False, slots=True)
class Coded:
    """A picture as a format has it.

    Attributes:
        pixels: (H, W, 3) uint8 RGB, scaled up to the original's size.
        size: bytes that it took.
    """

    pixels: NDArray[np.uint8]
    size: int


@dataclass(frozen=True, eq=False, slots=True)
class Format:
    """A picture format, with its qualities from the fewest bytes to the most."""

    name: str
    qualities: range
    encode: Callable[[NDArray[np.uint8], int], bytes]
    decode: Callable[[bytes], NDArray[np.uint8]]


def load_formats() -> tuple[Format, ...]:
    """WebP, AVIF, JPEG and JPEG XL, each as hard at work as it can be.

    Raises:
        MissingExtraError: the library that codes them is not installed.
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
        # JPEG XL goes by its own distance here, of which less is better.
        Format("JPEG XL", range(150, -1, -1), partial(_encode_jpegxl, codecs), codecs.jpegxl_decode),
    )


def _encode_jpegxl(codecs: Any, picture: NDArray[np.uint8], tenths: int) -> bytes:
    return bytes(codecs.jpegxl_encode(picture, distance=tenths / 10, effort=7))


def candidates(picture: NDArray[np.uint8], size: int, codec: Format) -> list[Coded]:
    """The picture at each scale, in the lowest quality that takes at least `size` bytes.

    A scale at which that takes far more is left out; if all do, the one that takes the fewest is there.

    Args:
        picture: (H, W, 3) uint8 RGB.
        size: bytes.
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
