"""Metadata of a picture file that may contain a prompt or an orientation: text chunks, EXIF, XMP, hidden texts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import IO

from PIL import Image, PngImagePlugin

from codec.reading.encodings import MAX_SOURCE_LENGTH, decode_text, repair_latin1
from codec.reading.exif import read_exif
from codec.reading.png import read_texts
from codec.reading.stealth import read_stealth
from codec.reading.xmp import read_xmp

#: Most texts that are read from one picture.
MAX_TEXTS = 64

#: Entries of Pillow's `info` that are read elsewhere, or that are no texts of the picture's writer.
_NO_TEXTS = frozenset({"exif", "icc_profile", "xmp", "XML:com.adobe.xmp", "photoshop", "version", "transparency"})


@dataclass(frozen=True, slots=True)
class Metadata:
    """Texts found in a picture file.

    Attributes:
        texts: PNG text chunks, `comf` chunks and comments of other formats, EXIF texts as `exif:NAME`, XMP texts as
            `xmp:PREFIX:NAME`, and the text hidden in the pixels as `stealth`; each is at most MAX_SOURCE_LENGTH
            characters.
        user_comment: EXIF's UserComment, decoded; empty if missing.
        orientation: EXIF's orientation, 1 to 8; 1 is upright.
    """

    texts: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    user_comment: str = ""
    orientation: int = 1


def read_metadata(image: Image.Image, file: IO[bytes] | None = None) -> Metadata:
    """Collect the texts and the orientation of a picture. Broken entries are skipped.

    Args:
        image: a PIL image of any mode, already loaded, so that chunks after the pixels have been read.
        file: its file, if it is known and still open.
    """
    texts: dict[str, str] = {}
    for name, value in list(image.info.items())[:MAX_TEXTS]:
        if isinstance(name, str) and name not in _NO_TEXTS and (text := _as_text(value)):
            texts[name] = text
    texts = _late_texts(image, file) | texts
    exif = read_exif(image)
    texts |= exif.texts
    for number, comment in enumerate(exif.user_comments[1:], 2):
        texts[f"exif:UserComment{number}"] = comment
    for packet in (image.info.get("xmp"), image.info.get("XML:com.adobe.xmp")):
        texts |= read_xmp(packet)
    if hidden := read_stealth(image):
        texts["stealth"] = hidden
    return Metadata(MappingProxyType(texts), next(iter(exif.user_comments), ""), exif.orientation)


def _late_texts(image: Image.Image, file: IO[bytes] | None) -> dict[str, str]:
    """Return the texts of a PNG that Pillow has not read: all those of an animation, and ComfyUI's `comf` chunks."""
    private = any(kind == b"comf" for kind, *_ in getattr(image, "private_chunks", []))
    if not isinstance(image, PngImagePlugin.PngImageFile) or file is None or not (private or image.is_animated):
        return {}
    return read_texts(file)


def _as_text(value: object) -> str:
    """Return a metadata value as text; empty if it is not text, or too long."""
    if isinstance(value, bytes):
        found = decode_text(value)
        value = found[0] if found else None
    if not isinstance(value, str) or len(value) > MAX_SOURCE_LENGTH:
        return ""
    # Pillow's text chunks are a subclass of str with extra attributes; iTXt is UTF-8 by the standard, tEXt Latin-1.
    return str(value) if isinstance(value, PngImagePlugin.iTXt) else repair_latin1(str(value))
