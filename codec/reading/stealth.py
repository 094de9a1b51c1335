"""Stealth PNG info: a text in the lowest bits of a picture's alpha or colours, as NovelAI and extensions of
AUTOMATIC1111's program write it.

The bits run down the columns, the leftmost first: 15 bytes of signature, 32 bits with the length of the rest in bits,
then UTF-8 text, plain or as gzip (`comp`). In alpha a pixel holds one bit, in colours three: red, green, blue.
"""

import zlib

import numpy as np
from PIL import Image

from codec.reading.encodings import MAX_SOURCE_LENGTH

#: Signatures, by the bands that hold them, and whether the text is compressed.
_SIGNATURES = {
    ("A", b"stealth_pnginfo"): False,
    ("A", b"stealth_pngcomp"): True,
    ("RGB", b"stealth_rgbinfo"): False,
    ("RGB", b"stealth_rgbcomp"): True,
}

_SIGNATURE_BYTES, _LENGTH_BYTES = 15, 4

#: zlib's window size that accepts the gzip format alone.
_GZIP = 31


def read_stealth(image: Image.Image) -> str:
    """Return the text in the lowest bits of a picture; empty if there is none, or it is damaged.

    Args:
        image: a loaded PIL image of any mode; only RGB and RGBA can hold such a text.
    """
    for bands in ("A", "RGB"):
        if not set(bands) <= set(image.getbands()):
            continue
        head = _read_bytes(image, bands, 0, _SIGNATURE_BYTES + _LENGTH_BYTES)
        compressed = _SIGNATURES.get((bands, head[:_SIGNATURE_BYTES]))
        if compressed is None:
            continue
        size = int.from_bytes(head[_SIGNATURE_BYTES:], "big") // 8
        room = image.width * image.height * len(bands) // 8 - len(head)
        if 0 < size <= min(room, MAX_SOURCE_LENGTH):
            return _decode(_read_bytes(image, bands, len(head), size), compressed=compressed)
    return ""


def _read_bytes(image: Image.Image, bands: str, start: int, count: int) -> bytes:
    """Return `count` bytes of the hidden text, from byte `start` on; fewer if the picture is too small."""
    per_column = image.height * len(bands)
    first, last = 8 * start // per_column, -(-8 * (start + count) // per_column)
    columns = image.crop((first, 0, min(last, image.width), image.height))
    pixels = np.stack([np.asarray(columns.getchannel(band), np.uint8) for band in bands], axis=-1)
    bits = pixels.swapaxes(0, 1).reshape(-1) & 1
    offset = 8 * start - first * per_column
    return np.packbits(bits[offset : offset + 8 * count]).tobytes()


def _decode(data: bytes, *, compressed: bool) -> str:
    try:
        if compressed:
            unpacker = zlib.decompressobj(_GZIP)
            data = unpacker.decompress(data, MAX_SOURCE_LENGTH)
            if unpacker.unconsumed_tail:
                return ""
        return data.decode()
    except (zlib.error, UnicodeDecodeError):
        return ""
