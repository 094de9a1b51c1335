"""How the files of an archive are called.

    20260131-120000-9f86d081884c7d65.lcast            a whole stream
    20260131-120000-9f86d081884c7d65.semantic.png     the picture at a level
    20260131-120000-9f86d081884c7d65.part.lcast       what came of a stream that broke off

Names are made here, from the time and a digest of who sent which picture; nothing that a sender says becomes part of a
path. Files of other names are none of ours.
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime

from codec.layers import Layer

#: What follows the stem and a dot.
WHOLE = "lcast"
PART = "part.lcast"
LEVELS = {level: f"{level.name.lower()}.png" for level in Layer}
KINDS = (WHOLE, PART, *LEVELS.values())

#: Bytes of a label; it is written as twice as many hexadecimal digits.
LABEL_BYTES = 8

_NAME = re.compile(rf"(\d{{8}}-\d{{6}}-([0-9a-f]{{{2 * LABEL_BYTES}}}))\.({'|'.join(map(re.escape, KINDS))})")


def label_of(stream: bytes, epoch: int, image: int) -> str:
    """Our name of a picture: the same whenever and over whatever link it comes, and safe in paths and addresses.

    Args:
        stream: the sender's id of itself.
        epoch: its run that the number belongs to.
        image: its number of the picture.
    """
    identity = b"%d:%s%d,%d" % (len(stream), stream, epoch, image)
    return hashlib.blake2s(identity, digest_size=LABEL_BYTES).hexdigest()


@dataclass(frozen=True, slots=True)
class Kept:
    """A picture of the archive: its name without suffixes, which begins with its time, and its label."""

    stem: str
    label: str


def stem_of(label: str, began: datetime) -> str:
    """A picture's name among files, without suffixes."""
    return f"{time_of(began)}-{label}"


def time_of(began: datetime) -> str:
    """The time that a stem begins with; later ones sort behind earlier ones."""
    return f"{began:%Y%m%d-%H%M%S}"


def parse_name(name: str) -> tuple[Kept, str] | None:
    """The picture that a file belongs to, and what the file is to it; None if it is not ours."""
    found = _NAME.fullmatch(name)
    return None if found is None else (Kept(found[1], found[2]), found[3])
