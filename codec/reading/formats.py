"""The formats of picture files that are read, and opening a file as one of them."""

import functools
import importlib
import struct
from typing import IO

from PIL import Image, ImageFile, JpegImagePlugin, UnidentifiedImageError

#: Formats that are read, by Pillow's names, those that have a signature first. All others stay closed: some of
#: Pillow's run programs (EPS runs Ghostscript), and each one more is code that strangers' files reach.
FORMATS = (
    "PNG", "JPEG", "WEBP", "AVIF", "GIF", "TIFF", "BMP", "PPM", "JPEG2000", "HEIF", "JXL", "QOI", "TGA",
)  # fmt: skip

_JPEG_SIGNATURE = b"\xff\xd8\xff"


def open_picture(file: IO[bytes]) -> ImageFile.ImageFile:
    """Open a picture in one of FORMATS; its pixels are not read yet.

    The size of a JPEG is not limited here, as it can be read scaled.

    Args:
        file: seekable, open for reading in binary; it stays open.

    Raises:
        UnidentifiedImageError: it has none of these formats.
        PIL.Image.DecompressionBombError: it is larger than Pillow's limit.
        Exception: Pillow names no closed set of errors for damaged files.
    """
    file.seek(0)
    if file.read(len(_JPEG_SIGNATURE)) == _JPEG_SIGNATURE:
        file.seek(0)
        try:
            return JpegImagePlugin.JpegImageFile(file)
        except (SyntaxError, IndexError, TypeError, KeyError, EOFError, struct.error) as error:
            raise UnidentifiedImageError(f"not a JPEG: {error}") from error
    return Image.open(file, formats=_readable())


@functools.cache
def _readable() -> tuple[str, ...]:
    """Return the formats that the installed Pillow and its plug-ins read."""
    for name, register in (("pillow_heif", "register_heif_opener"), ("pillow_jxl", None), ("pillow_avif", None)):
        try:
            module = importlib.import_module(name)
        except ImportError:
            continue
        if register is not None:
            getattr(module, register)()
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)
