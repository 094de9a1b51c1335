"""Metadata of a picture file that may contain a prompt or an orientation: text chunks and EXIF."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from PIL import ExifTags, Image

#: Most texts that are read from one picture.
MAX_TEXTS = 64

#: Longest text that is read from a picture or prompt file, in characters (4 Mi).
MAX_SOURCE_LENGTH = 4 << 20

#: EXIF tags in which generators store text, by the name that the text gets in `Metadata.texts`.
_EXIF_TEXTS = {
    "exif:ImageDescription": ExifTags.Base.ImageDescription,
    "exif:Make": ExifTags.Base.Make,
    "exif:Model": ExifTags.Base.Model,
    "exif:Software": ExifTags.Base.Software,
}

#: Length of the character code at the start of a UserComment, in bytes (EXIF 2.32, section 4.6.5, table 9).
_CODE_LENGTH = 8


@dataclass(frozen=True, slots=True)
class Metadata:
    """Texts found in a picture file.

    Attributes:
        texts: PNG text chunks, comments of other formats, and EXIF texts as `exif:NAME`; each is at most
            MAX_SOURCE_LENGTH characters.
        user_comment: EXIF's UserComment, decoded; empty if missing.
        orientation: EXIF's orientation, 1 to 8; 1 is upright.
    """

    texts: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    user_comment: str = ""
    orientation: int = 1


def read_metadata(image: Image.Image) -> Metadata:
    """Collect the texts and the orientation of a picture. Broken entries are skipped.

    Args:
        image: a PIL image of any mode, already loaded, so that chunks after the pixels have been read.
    """
    texts: dict[str, str] = {}
    for name, value in list(image.info.items())[:MAX_TEXTS]:
        text = _as_text(value)
        if isinstance(name, str) and text:
            texts[name] = text
    user_comment, orientation = "", 1
    try:
        exif = image.getexif()
        for name, tag in _EXIF_TEXTS.items():
            if text := _as_text(exif.get(tag)):
                texts[name] = text
        orientation = exif.get(ExifTags.Base.Orientation, 1)
        comment = exif.get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.UserComment)
        user_comment = decode_user_comment(comment, big_endian=exif.endian == ">")
    except Exception:  # noqa: S110 - Pillow's EXIF parser names no closed set of errors for hostile bytes
        pass
    if orientation not in range(1, 9):
        orientation = 1
    return Metadata(MappingProxyType(texts), user_comment, int(orientation))


def decode_user_comment(comment: object, *, big_endian: bool) -> str:
    """Decode EXIF's UserComment: eight bytes that name the character code, then the text.

    Args:
        comment: the tag's value: bytes as in the standard, or text as some writers store it. Other types give "".
        big_endian: the byte order of the EXIF block; it decides if the text itself does not show its byte order.

    Returns:
        The text, at most MAX_SOURCE_LENGTH characters; empty if it cannot be decoded.
    """
    if isinstance(comment, str):
        return comment[:MAX_SOURCE_LENGTH].strip("\0 ")
    if not isinstance(comment, bytes) or len(comment) > 2 * MAX_SOURCE_LENGTH:
        return ""
    code, body = comment[:_CODE_LENGTH], comment[_CODE_LENGTH:]
    if code == b"UNICODE\0":
        text = _decode_utf16(body, big_endian=big_endian)
    elif code == b"JIS\0\0\0\0\0":
        # The standard means ISO-2022-JP; writers on Windows put Shift-JIS here.
        text = _decode_first(body, "iso2022_jp", "shift_jis")
    elif code in (b"ASCII\0\0\0", b"\0" * _CODE_LENGTH):
        text = _decode_first(body, "utf-8", "latin-1")
    else:
        text = _decode_first(comment, "utf-8")
    return text.strip("\0 ")


def _decode_utf16(body: bytes, *, big_endian: bool) -> str:
    # The standard leaves the byte order open, and writers do not always use that of their EXIF block. The text itself
    # decides: nearly every prompt has characters below U+0100, whose zero byte comes first or second.
    if body[:2] == b"\xfe\xff":
        return body[2:].decode("utf-16-be", "replace")
    if body[:2] == b"\xff\xfe":
        return body[2:].decode("utf-16-le", "replace")
    zeros_first, zeros_second = body[0::2].count(0), body[1::2].count(0)
    if zeros_first == zeros_second:
        return body.decode("utf-16-be" if big_endian else "utf-16-le", "replace")
    return body.decode("utf-16-be" if zeros_first > zeros_second else "utf-16-le", "replace")


def _decode_first(body: bytes, *encodings: str) -> str:
    for encoding in encodings:
        try:
            return body.decode(encoding)
        except UnicodeDecodeError:
            continue
    return ""


def _as_text(value: object) -> str:
    """Return a metadata value as text; empty if it is not text, or too long."""
    if isinstance(value, bytes):
        value = _decode_first(value[: MAX_SOURCE_LENGTH + 1], "utf-8")
    if not isinstance(value, str) or len(value) > MAX_SOURCE_LENGTH:
        return ""
    # Pillow's text chunks are a subclass of str with extra attributes.
    return str(value)
