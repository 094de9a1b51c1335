"""Sections of a stream: layer, payload format, payload; how they are framed.

1 byte            layer (3 bits), coder (5 bits)
1 to 3 bytes      length of the payload, LEB128
length bytes      payload
"""

import enum
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TypeVar

from codec.container.header import read_varint, write_varint
from codec.layer_numbers import Layer
from layercast_common.errors import BitstreamError, TruncatedError, UsageError

#: Longest payload of one section, in bytes.
MAX_PAYLOAD = 1 << 16

#: Most sections in one stream.
MAX_SECTIONS = 32

#: The byte that marks the end of the sections. No section starts with it: layer 7 with coder 31 is reserved.
END_MARK = 0xFF

_Number = TypeVar("_Number", bound=enum.IntEnum)


class Coder(enum.IntEnum):
    """Number of a payload format. The numbers appear in files and packets and never change."""

    TEXT = 0
    EDGES = 1
    COLORS = 2
    SKELETON = 3
    PLANES = 4


#: The layers that sections of each coder may belong to.
LAYERS_OF = {
    Coder.TEXT: frozenset({Layer.SEMANTIC}),
    Coder.EDGES: frozenset({Layer.STRUCTURE}),
    Coder.COLORS: frozenset({Layer.TEXTURE}),
    Coder.SKELETON: frozenset({Layer.STRUCTURE}),
    Coder.PLANES: frozenset({Layer.TEXTURE, Layer.DETAIL}),
}


@dataclass(frozen=True, slots=True)
class Section:
    """A payload of one layer. It decodes on top of the sections before it.

    Attributes:
        layer: the layer; a plain number if this version does not know it.
        coder: the payload format; a plain number if this version does not know it.
        payload: the bytes.
        missing: number of bytes at the end of the payload that have not arrived.
    """

    layer: Layer | int
    coder: Coder | int
    payload: bytes
    missing: int = 0

    def __post_init__(self) -> None:
        if not (0 <= self.layer < 8 and 0 <= self.coder < 32) or self._tag == END_MARK:
            raise UsageError(f"no section can have layer {self.layer} and coder {self.coder}")
        if self.missing < 0 or len(self.payload) + self.missing > MAX_PAYLOAD:
            raise UsageError(f"a section has up to {MAX_PAYLOAD} bytes, not {len(self.payload) + self.missing}")

    @property
    def decodable(self) -> bool:
        """Whether this version knows the coder, and sections of the coder may belong to the section's layer."""
        return isinstance(self.coder, Coder) and self.layer in LAYERS_OF[self.coder]

    def to_bytes(self) -> bytes:
        """Return the section as it is written in the stream: framing, then the payload."""
        return bytes([self._tag]) + write_varint(len(self.payload) + self.missing) + self.payload

    @property
    def _tag(self) -> int:
        return self.layer << 5 | self.coder


def read_sections(data: bytes, start: int) -> tuple[list[Section], int, bool]:
    """Read the sections of a stream.

    Args:
        data: the stream, or a prefix of it.
        start: index of the first byte after the header.

    Returns:
        The sections (bytes of the last one may be missing), the index at which they end, and whether the end mark is
        at that index. The check after the mark is not verified.

    Raises:
        BitstreamError: there are more than `MAX_SECTIONS` sections, or one is longer than `MAX_PAYLOAD`.
    """
    sections: list[Section] = []
    place = start
    while place < len(data):
        tag = data[place]
        if tag == END_MARK:
            return sections, place, True
        if len(sections) == MAX_SECTIONS:
            raise BitstreamError(f"the stream has more than {MAX_SECTIONS} sections")
        try:
            size, payload_start = read_varint(data, place + 1)
        except TruncatedError:
            return sections, len(data), False
        if size > MAX_PAYLOAD:
            raise BitstreamError(f"a section claims {size} bytes, over the limit of {MAX_PAYLOAD}")
        payload = data[payload_start : payload_start + size]
        place = payload_start + len(payload)
        layer, coder = _member_or_number(Layer, tag >> 5), _member_or_number(Coder, tag & 31)
        sections.append(Section(layer, coder, payload, size - len(payload)))
    return sections, place, False


def without_gaps(sections: Mapping[int, Section], missing: Collection[int]) -> tuple[Section, ...]:
    """Return the sections of a stream that decode although others have not arrived.

    Sections of the other coders decode alone or refine what came before; those of PLANES are parts of one code, and do
    not decode after a gap.

    Args:
        sections: the sections that arrived, by their index in the stream.
        missing: the indices of PLANES sections that have not arrived.

    Returns:
        The sections in the order of the stream, without the PLANES sections that follow a missing one.
    """
    gap = min(missing, default=MAX_SECTIONS)
    kept = [index for index, section in sections.items() if index < gap or section.coder != Coder.PLANES]
    return tuple(sections[index] for index in sorted(kept))


def _member_or_number(kind: type[_Number], number: int) -> _Number | int:
    return kind(number) if number in frozenset(kind) else number
