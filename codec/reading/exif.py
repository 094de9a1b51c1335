"""Texts and orientation in a picture's EXIF block."""

from dataclasses import dataclass, field

from PIL import ExifTags, Image

from codec.reading.encodings import MAX_SOURCE_LENGTH, decode_text, decode_user_comment, repair_latin1

#: Tags of the main directory in which generators store text, by the name that the text gets.
_TEXTS = {
    "exif:ImageDescription": ExifTags.Base.ImageDescription,
    "exif:Make": ExifTags.Base.Make,
    "exif:Model": ExifTags.Base.Model,
    "exif:Software": ExifTags.Base.Software,
    "exif:DocumentName": ExifTags.Base.DocumentName,
    "exif:XPTitle": ExifTags.Base.XPTitle,
    "exif:XPComment": ExifTags.Base.XPComment,
    "exif:XPSubject": ExifTags.Base.XPSubject,
}


@dataclass(frozen=True, slots=True)
class ExifFields:
    """What is read of an EXIF block.

    Attributes:
        texts: by name, as `exif:ImageDescription`.
        user_comments: the UserComments that are not empty: of the Exif directory, then of the main one.
        orientation: 1 to 8; 1 is upright.
    """

    texts: dict[str, str] = field(default_factory=dict)
    user_comments: tuple[str, ...] = ()
    orientation: int = 1


def read_exif(image: Image.Image) -> ExifFields:
    """Collect the texts and the orientation. Broken entries are skipped, and a broken block gives none.

    Args:
        image: a PIL image of any mode, whose file is still open.
    """
    texts: dict[str, str] = {}
    comments: list[str] = []
    orientation: object = 1
    try:
        exif = image.getexif()
        for name, tag in _TEXTS.items():
            if text := _as_text(exif.get(tag), wide=name.startswith("exif:XP")):
                texts[name] = text
        orientation = exif.get(ExifTags.Base.Orientation, 1)
        big_endian = exif.endian == ">"
        # The standard has the comment in the Exif directory; some writers put it into the main one.
        for directory in (exif.get_ifd(ExifTags.IFD.Exif), exif):
            comment = directory.get(ExifTags.Base.UserComment)
            comments.append(decode_user_comment(_as_bytes(comment), big_endian=big_endian))
    except Exception:  # noqa: S110 - Pillow's EXIF parser names no closed set of errors for hostile bytes
        pass
    upright = orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1
    return ExifFields(texts, tuple(filter(None, dict.fromkeys(comments))), upright)


def _as_text(value: object, *, wide: bool) -> str:
    """Return a tag's value as text; empty if it is not text, or too long.

    Args:
        value: of any type.
        wide: whether it is a tag of Windows, which has UTF-16, low byte first.
    """
    value = _as_bytes(value)
    if isinstance(value, bytes) and len(value) <= 4 * MAX_SOURCE_LENGTH:
        marked = value[:2] in (b"\xff\xfe", b"\xfe\xff")
        plain = value.isascii() and b"\0" not in value.rstrip(b"\0")
        found = _decode_utf16(value) if wide and not marked and not plain else None
        found = found or decode_text(value)
        value = found[0] if found else None
    if not isinstance(value, str) or len(value) > MAX_SOURCE_LENGTH:
        return ""
    return repair_latin1(value).strip("\0 ")


def _decode_utf16(value: bytes) -> tuple[str, str] | None:
    try:
        return value.decode("utf-16-le"), "utf-16-le"
    except UnicodeDecodeError:
        return None


def _as_bytes(value: object) -> object:
    """Return the numbers of a tag of bytes as bytes; anything else unchanged."""
    if isinstance(value, tuple) and len(value) <= 4 * MAX_SOURCE_LENGTH:
        try:
            return bytes(value)
        except (TypeError, ValueError):
            return value
    return value
