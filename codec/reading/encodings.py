"""Bytes of unknown encoding -> text, for text files and for metadata whose writer did not keep to the standard."""

#: Longest text that is read from a picture or prompt file, in characters (4 Mi).
MAX_SOURCE_LENGTH = 4 << 20

#: Byte order marks, the longest first, and the encodings that they announce.
_MARKS = (
    (b"\xff\xfe\0\0", "utf-32-le"),
    (b"\0\0\xfe\xff", "utf-32-be"),
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)

#: Length of the character code at the start of a UserComment, in bytes (EXIF 2.32, section 4.6.5, table 9).
_CODE_LENGTH = 8

#: Largest share of letters outside ASCII in a text that counts as Windows-1252.
_MAX_ACCENTED = 0.4


def decode_text(data: bytes) -> tuple[str, str] | None:
    """Decode bytes as what they plainly are: by a byte order mark, by the zeros of UTF-16, UTF-8, or Windows-1252.

    Args:
        data: the bytes, at most four times MAX_SOURCE_LENGTH.

    Returns:
        The text without its mark, and the name of the encoding; None if the bytes are not plainly a text.
    """
    if len(data) > 4 * MAX_SOURCE_LENGTH:
        return None
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _decode_strictly(data[len(mark) :], encoding)
    if b"\0" in data.rstrip(b"\0"):
        # Zeros at the end are no text, except the half of a last character.
        body = data.rstrip(b"\0")
        body += b"\0" * (len(body) % 2)
        return _decode_strictly(body, wide) if (wide := _utf16_order(body)) else None
    data = data.rstrip(b"\0")
    return _decode_strictly(data, "utf-8") or _decode_western(data)


def repair_latin1(text: str) -> str:
    """Return a text that a library decoded as Latin-1 as what its bytes plainly are; unchanged if nothing fits better.

    Args:
        text: for example a PNG tEXt chunk, whose standard is Latin-1 and whose writers often use UTF-8.
    """
    if text.isascii() and "\0" not in text:
        return text
    try:
        found = decode_text(text.encode("latin-1"))
    except UnicodeEncodeError:
        return text
    return text if found is None else found[0]


def decode_user_comment(comment: object, *, big_endian: bool) -> str:
    """Decode EXIF's UserComment: eight bytes that name the character code, then the text.

    Args:
        comment: the tag's value: bytes as in the standard, or text as some writers store it. Other types give "".
        big_endian: the byte order of the EXIF block; it decides if the text itself does not show its byte order.

    Returns:
        The text, at most MAX_SOURCE_LENGTH characters; empty if it cannot be decoded.
    """
    if isinstance(comment, str):
        if len(comment) > MAX_SOURCE_LENGTH:
            return ""
        # A writer may store the code and the text as a string.
        comment = (
            comment.encode("latin-1", "ignore") if comment.startswith(("UNICODE", "ASCII\0", "JIS\0")) else comment
        )
        if isinstance(comment, str):
            return repair_latin1(comment).strip("\0 ")
    if not isinstance(comment, bytes) or len(comment) > 4 * MAX_SOURCE_LENGTH:
        return ""
    code, body = comment[:_CODE_LENGTH], comment[_CODE_LENGTH:]
    if code == b"UNICODE\0":
        text = _decode_unicode(body, big_endian=big_endian)
    elif code == b"JIS\0\0\0\0\0":
        # The standard means ISO-2022-JP; writers on Windows put Shift-JIS here.
        text = _decode_first(body, "iso2022_jp", "shift_jis")
    elif code in (b"ASCII\0\0\0", b"\0" * _CODE_LENGTH):
        found = decode_text(body)
        text = found[0] if found else body.decode("latin-1")
    else:
        found = decode_text(comment)
        text = found[0] if found else ""
    return text[:MAX_SOURCE_LENGTH].strip("\0 ")


def _decode_strictly(data: bytes, encoding: str) -> tuple[str, str] | None:
    """Return the text and its encoding; None if the bytes are invalid in it, or hold control characters."""
    try:
        text = data.decode(encoding).rstrip("\0")
    except UnicodeDecodeError:
        return None
    return None if _is_binary(text) else (text, encoding)


def _decode_western(data: bytes) -> tuple[str, str] | None:
    """Decode Windows-1252, unless most letters would be accented ones: that is a text in another alphabet."""
    found = _decode_strictly(data, "cp1252")
    if found is None:
        return None
    letters = [character for character in found[0] if character.isalpha()]
    foreign = sum(not character.isascii() for character in letters)
    return found if letters and foreign <= _MAX_ACCENTED * len(letters) else None


def _is_binary(text: str) -> bool:
    return any(ord(character) < 32 and character not in "\t\n\r\f\b\x1b" for character in text)


def _utf16_order(data: bytes) -> str | None:
    """Return the UTF-16 whose zero bytes a text in mostly Latin letters shows; None if it shows none."""
    first, second = data[0::2].count(0), data[1::2].count(0)
    half = len(data) // 2
    if second * 4 >= half and first * 8 <= second:
        return "utf-16-le"
    return "utf-16-be" if first * 4 >= half and second * 8 <= first else None


def _decode_unicode(body: bytes, *, big_endian: bool) -> str:
    # The standard leaves the byte order open, and writers do not always use that of their EXIF block. The text itself
    # decides: nearly every prompt has characters below U+0100, whose zero byte comes first or second.
    if body[:2] in (b"\xfe\xff", b"\xff\xfe"):
        return body[2:].decode("utf-16-be" if body[:1] == b"\xfe" else "utf-16-le", "replace")
    zeros_first, zeros_second = body[0::2].count(0), body[1::2].count(0)
    if not zeros_first and not zeros_second and (found := _decode_strictly(body, "utf-8")):
        # Some writers name Unicode and store UTF-8. UTF-16 without any zero byte is hardly ever valid UTF-8.
        return found[0]
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
