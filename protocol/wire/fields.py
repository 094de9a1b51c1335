"""The parts of packets: integers with ranges, rows of lists, masks and bitmaps."""

from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from protocol.wire.limits import (
    MAX_CAPABILITIES,
    MAX_FRAGMENTS,
    MAX_ID,
    MAX_NONCE,
    MAX_PACKET,
    MAX_SECTION,
    MAX_SECTIONS,
    MIN_MTU,
)

U8 = Annotated[int, Meta(ge=0, le=0xFF)]
U16 = Annotated[int, Meta(ge=0, le=0xFFFF)]
U32 = Annotated[int, Meta(ge=0, le=0xFFFF_FFFF)]
Number = Annotated[int, Meta(ge=1, le=0xFFFF_FFFF)]
Urgency = Annotated[int, Meta(ge=0, le=7)]
SectionIndex = Annotated[int, Meta(ge=0, lt=MAX_SECTIONS)]
FragmentIndex = Annotated[int, Meta(ge=0, lt=MAX_FRAGMENTS)]
Fragments = Annotated[bytes, Meta(max_length=MAX_FRAGMENTS // 8)]
Payload = Annotated[bytes, Meta(min_length=1, max_length=MAX_PACKET)]
PacketSize = Annotated[int, Meta(ge=MIN_MTU, le=0xFFFF)]
Name = Annotated[bytes, Meta(max_length=MAX_ID)]
Nonce = Annotated[bytes, Meta(max_length=MAX_NONCE)]
Capabilities = Annotated[tuple[U16, ...], Meta(max_length=MAX_CAPABILITIES)]


class Row(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A row of a list inside a packet; extra fields are an error."""


class SectionEntry(Row, frozen=True):
    """One row of an OFFER's section table.

    `place` packs layer, urgency and incremental into one number, which takes one byte for common values. `check` is the
    low half of the payload's CRC-32; it is 0 for a section inside the OFFER, which the packet's own check covers.
    """

    place: Annotated[int, Meta(ge=0, le=0xFFF)]
    coder: U8
    length: Annotated[int, Meta(ge=0, le=MAX_SECTION)]
    check: U16

    @classmethod
    def of(
        cls, *, layer: int, coder: int, urgency: int, incremental: bool, length: int, check: int = 0
    ) -> "SectionEntry":
        """Build the row of a section. Urgency (0 first, 7 last) and incremental are those of RFC 9218."""
        return cls(place=urgency + 8 * incremental + 16 * layer, coder=coder, length=length, check=check)

    @property
    def layer(self) -> int:
        """The layer's number, 0 to 255."""
        return self.place >> 4

    @property
    def urgency(self) -> int:
        """0 first, 7 last."""
        return self.place & 7

    @property
    def incremental(self) -> bool:
        """Whether any prefix of the payload is useful."""
        return bool(self.place & 8)


class Done(Row, frozen=True):
    """The complete sections of a picture: bit i stands for section i."""

    image: Number
    sections: U32


class Part(Row, frozen=True):
    """The fragments held of an incomplete section: bit f % 8 of byte f // 8 stands for fragment f."""

    section: SectionIndex
    fragments: Fragments


class Have(Row, frozen=True):
    """The data held of a picture: the complete sections, bit i for section i, and parts of the others.

    `fragment_size` is that of the known OFFER; 0 for a finished picture.
    """

    image: Number
    sections: U32
    fragment_size: Annotated[int, Meta(ge=0, le=MAX_PACKET)] = 0
    parts: Annotated[tuple[Part, ...], Meta(max_length=MAX_SECTIONS)] = ()


def sending_order(sections: Sequence[SectionEntry]) -> list[int]:
    """Return the section indices in sending order, before any loss or request changes it."""
    return sorted(range(len(sections)), key=lambda index: (sections[index].urgency, sections[index].incremental, index))


def inline_sections(sections: Sequence[SectionEntry], size: int) -> list[int] | None:
    """Return the sections inside an OFFER with `size` inline bytes; None if `size` does not end at a section's end."""
    chosen = []
    for index in sending_order(sections):
        if sections[index].length > size:
            break
        size -= sections[index].length
        chosen.append(index)
    return None if size else chosen


def bits(indices: Sequence[int]) -> bytes:
    """Return the shortest bitmap with these bits set: bit i % 8 of byte i // 8."""
    mask = sum(1 << index for index in set(indices))
    return mask.to_bytes(-(-mask.bit_length() // 8), "little")


def indices_of(bitmap: bytes) -> list[int]:
    """Return the indices of the bits set in a bitmap, in ascending order."""
    mask = int.from_bytes(bitmap, "little")
    return [index for index in range(mask.bit_length()) if mask >> index & 1]
