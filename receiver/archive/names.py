"""File names in an archive.

    20260131-120000-9f86d081884c7d65.lcast            a complete stream
    20260131-120000-9f86d081884c7d65.semantic.png     the picture at a level
    20260131-120000-9f86d081884c7d65.arrival          how it arrived, as the page showed it
    20260131-120000-9f86d081884c7d65.part.lcast       the received part of an incomplete stream

A name consists of the arrival time and a digest of the picture's identity. Text from a sender never becomes part of a
path. Files with other names do not belong to the archive.
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime

from codec.layers import Layer

#: Suffixes after the stem and a dot.
WHOLE = "lcast"
PART = "part.lcast"
ARRIVAL = "arrival"
LEVELS = {level: f"{level.name.lower()}.png" for level in Layer}
KINDS = (WHOLE, PART, ARRIVAL, *LEVELS.values())

#: Bytes of a label; file names hold it as twice as many hexadecimal digits.
LABEL_BYTES = 8

_NAME = re.compile(rf"(\d{{8}}-\d{{6}}-([0-9a-f]{{{2 * LABEL_BYTES}}}))\.({'|'.join(map(re.escape, KINDS))})")


def label_of(stream_id: bytes, epoch: int, picture_id: int) -> str:
    """Return a picture's label: the same for every transfer of that picture, and safe in paths and URLs.

    Args:
        stream_id: the sender's identity.
        epoch: the sender's epoch, within which picture numbers are unique.
        picture_id: the sender's number of the picture.
    """
    identity = b"%d:%s%d,%d" % (len(stream_id), stream_id, epoch, picture_id)
    return hashlib.blake2s(identity, digest_size=LABEL_BYTES).hexdigest()


@dataclass(frozen=True, slots=True)
class ArchivedPicture:
    """A picture in the archive: the stem of its file names, which starts with its arrival time, and its label."""

    stem: str
    label: str


def stem_of(label: str, arrived: datetime) -> str:
    """Return the stem of a picture's file names."""
    return f"{format_time(arrived)}-{label}"


def format_time(arrived: datetime) -> str:
    """Return the time as stems start with it; it sorts by time."""
    return f"{arrived:%Y%m%d-%H%M%S}"


def parse_name(name: str) -> tuple[ArchivedPicture, str] | None:
    """Return the picture that a file belongs to and the file's suffix; None for foreign files."""
    found = _NAME.fullmatch(name)
    return None if found is None else (ArchivedPicture(found[1], found[2]), found[3])
