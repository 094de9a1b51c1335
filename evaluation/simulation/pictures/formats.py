"""Rival formats: encoders, decoders, and what the decoder shows of the first bytes of a file."""

import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from evaluation.formats.formats import FORMATS, Format, load_format

#: Parts of a file at which a progressive decoder is asked for a picture.
PARTS = 12


@dataclass(frozen=True, eq=False, slots=True)
class RivalFormat:
    """A rival.

    Attributes:
        name: its name in scenarios and reports.
        codec: its encoder and decoder.
        decode_start: decodes the first bytes of a file; None if the library shows nothing before the last byte.
    """

    name: str
    codec: Format
    decode_start: Callable[[bytes], NDArray[np.uint8] | None] | None = None


@lru_cache(maxsize=1)
def rival_formats() -> dict[str, RivalFormat]:
    """Return the rival formats by name.

    libwebp's and libavif's bindings in imagecodecs decode whole files only, and so does its JPEG XL decoder: it answers
    a truncated file with an error. These formats show nothing before their last byte.

    Raises:
        MissingExtraError: imagecodecs is not installed.
    """
    codecs = {name: load_format(name) for name in FORMATS}
    jpeg = codecs["jpeg"]
    progressive = replace(
        jpeg,
        name="jpeg-progressive",
        label="progressive JPEG",
        settings="progressive, optimised tables",
        encode=_encode_progressive,
    )
    return {
        "jpeg": RivalFormat("jpeg", jpeg, _decode_start),
        "jpeg-progressive": RivalFormat("jpeg-progressive", progressive, _decode_start),
        "webp": RivalFormat("webp", codecs["webp"]),
        "avif": RivalFormat("avif", codecs["avif"]),
        "jxl": RivalFormat("jxl", codecs["jxl"]),
    }


def _encode_progressive(picture: NDArray[np.uint8], quality: float) -> bytes:
    out = io.BytesIO()
    Image.fromarray(picture).save(out, "JPEG", quality=int(quality), progressive=True, optimize=True)
    return out.getvalue()


def _decode_start(data: bytes) -> NDArray[np.uint8] | None:
    """Decode the start of a JPEG with libjpeg as Pillow calls it; what is missing stays grey. None without a scan."""
    # Pillow has no argument for it. Simulations run in processes of their own, one decoder at a time.
    before = ImageFile.LOAD_TRUNCATED_IMAGES
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG",)) as picture:
            return np.asarray(picture.convert("RGB"), np.uint8)
    except (OSError, SyntaxError):
        return None
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = before


def part_sizes(size: int) -> list[int]:
    """Return the numbers of bytes at which the start of a file of `size` bytes is decoded, without the whole."""
    return sorted({size * part // PARTS for part in range(1, PARTS)} - {0, size})
