"""Picture formats and their encoders at high effort."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layercast_common.errors import MissingExtraError, UsageError

#: AVIF's speed, 0 to 10 (slow to fast); below 4 its files are hardly smaller. JPEG XL's effort, 1 to 9, 9 the slowest.
AVIF_SPEED, JPEGXL_EFFORT = 4, 7

#: The formats by name, in the order of tables, with their names for people.
FORMATS: Mapping[str, str] = {"jpeg": "JPEG", "webp": "WebP", "avif": "AVIF", "jxl": "JPEG XL"}


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Format:
    """A picture format.

    Attributes:
        name: its key in `FORMATS`.
        label: its name for people.
        settings: how it encodes, for reports.
        qualities: arguments of `encode`, from the fewest bytes to the most.
        encode: encodes (H, W, 3) uint8 RGB at a quality; returns a whole file.
        decode: the inverse; returns (H, W, 3) uint8 RGB.
    """

    name: str
    label: str
    settings: str
    qualities: Sequence[float]
    encode: Callable[[NDArray[np.uint8], float], bytes]
    decode: Callable[[bytes], NDArray[np.uint8]]


def load_format(name: str) -> Format:
    """Return a format. It encodes and decodes on one thread.

    Raises:
        UsageError: no format has that name.
        MissingExtraError: imagecodecs is not installed.
    """
    if name not in FORMATS:
        raise UsageError(f"no picture format is called {name!r}; there are {', '.join(FORMATS)}")
    codecs = _load_codecs()
    match name:
        case "jpeg":
            settings, qualities = "4:2:0, optimised tables", [*map(float, range(1, 96))]
            encode, decode = partial(_encode_jpeg, codecs), codecs.jpeg8_decode
        case "webp":
            settings, qualities = "method 6", [*map(float, range(101))]
            encode, decode = partial(_encode_webp, codecs), codecs.webp_decode
        case "avif":
            # libavif has 64 quantizers, so most steps of one quality give the same file.
            settings, qualities = f"4:2:0, speed {AVIF_SPEED}", [*map(float, range(0, 101, 2))]
            encode, decode = partial(_encode_avif, codecs), codecs.avif_decode
        case _:
            # JPEG XL takes a distance, of which less is better, in place of a quality.
            settings = f"effort {JPEGXL_EFFORT}"
            qualities = [round(25 * 0.95**step, 2) for step in range(80)]
            encode, decode = partial(_encode_jpegxl, codecs), codecs.jpegxl_decode
    return Format(
        name=name,
        label=FORMATS[name],
        settings=f"{settings}; imagecodecs {codecs.__version__}",
        qualities=qualities,
        encode=encode,
        decode=partial(_rgb, decode),
    )


def _load_codecs() -> Any:
    try:
        import imagecodecs
    except ImportError as error:
        raise MissingExtraError("comparing with other picture formats", "bench") from error
    return imagecodecs


def _encode_jpeg(codecs: Any, picture: NDArray[np.uint8], quality: float) -> bytes:
    return bytes(codecs.jpeg8_encode(picture, level=int(quality), subsampling="420", optimize=True))


def _encode_webp(codecs: Any, picture: NDArray[np.uint8], quality: float) -> bytes:
    return bytes(codecs.webp_encode(picture, level=int(quality), lossless=False, method=6, numthreads=1))


def _encode_avif(codecs: Any, picture: NDArray[np.uint8], quality: float) -> bytes:
    return bytes(codecs.avif_encode(picture, level=int(quality), speed=AVIF_SPEED, pixelformat="420", numthreads=1))


def _encode_jpegxl(codecs: Any, picture: NDArray[np.uint8], distance: float) -> bytes:
    return bytes(codecs.jpegxl_encode(picture, distance=distance, effort=JPEGXL_EFFORT, numthreads=1))


def _rgb(decode: Callable[[bytes], Any], data: bytes) -> NDArray[np.uint8]:
    return np.ascontiguousarray(decode(data), np.uint8)
