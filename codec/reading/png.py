"""PNG chunks that Pillow does not read: texts behind the frames of an animation; and files without side chunks."""

import zlib
from collections.abc import Iterator
from typing import IO

from codec.reading.encodings import MAX_SOURCE_LENGTH, decode_text

_SIGNATURE = b"\x89PNG\r\n\x1a\n"

#: Chunks without influence on the pixels, which a picture may have damaged, or larger than Pillow reads.
_SIDE_CHUNKS = frozenset({b"tEXt", b"zTXt", b"iTXt", b"eXIf", b"iCCP"})

#: Chunks with a name and a text. ComfyUI stores in `comf` what it stores in tEXt elsewhere.
_TEXTS = frozenset({b"comf", b"tEXt", b"zTXt", b"iTXt"})

#: Most chunks that are walked; an animation has one or two for each frame.
MAX_CHUNKS = 100_000


def read_texts(file: IO[bytes]) -> dict[str, str]:
    """Return the named texts of a PNG, wherever they stand; damaged and oversized ones are skipped.

    Args:
        file: seekable; its position is kept.
    """
    place = file.tell()
    texts: dict[str, str] = {}
    try:
        for kind, length, start in _walk(file):
            if kind in _TEXTS and length <= MAX_SOURCE_LENGTH and len(texts) < 64:
                file.seek(start)
                name, text = _split(kind, file.read(length))
                if name and text:
                    texts.setdefault(name, text)
    finally:
        file.seek(place)
    return texts


def without_side_chunks(data: bytes) -> bytes | None:
    """Return a PNG without its texts, EXIF block and colour profile; None if the bytes are no PNG or have none of them.

    Args:
        data: the file; what follows damaged chunks is kept as it is.
    """
    if not data.startswith(_SIGNATURE):
        return None
    kept, at = [data[:8]], 8
    while at + 12 <= len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        if data[at + 4 : at + 8] not in _SIDE_CHUNKS:
            kept.append(data[at:end])
        at = end
    stripped = b"".join(kept)
    return stripped if len(stripped) < len(data) else None


def _walk(file: IO[bytes]) -> Iterator[tuple[bytes, int, int]]:
    """Yield the type, the length and the place of each chunk's content."""
    at = len(_SIGNATURE)
    for _ in range(MAX_CHUNKS):
        file.seek(at)
        head = file.read(8)
        length = int.from_bytes(head[:4], "big")
        if len(head) < 8 or head[4:] == b"IEND":
            return
        yield head[4:], length, at + 8
        at += 12 + length


def _split(kind: bytes, body: bytes) -> tuple[str, str]:
    """Return the name and the text of a chunk; an empty text if it is damaged."""
    name, _, value = body.partition(b"\0")
    packed = kind == b"zTXt"
    if packed:
        value = value[1:]
    elif kind == b"iTXt":
        packed = value[:1] == b"\1"
        value = value[2:].split(b"\0", 2)[-1]
    if packed:
        unpacker = zlib.decompressobj()
        try:
            value = unpacker.decompress(value, MAX_SOURCE_LENGTH)
        except zlib.error:
            return "", ""
    found = decode_text(value)
    return name.decode("latin-1"), (found[0] if found else value.decode("latin-1"))[:MAX_SOURCE_LENGTH]
