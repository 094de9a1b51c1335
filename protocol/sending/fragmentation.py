"""From sections to an OFFER and fragments that suit the link."""

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from layercast_common.errors import LocalProtocolError
from protocol.wire.encoding import encode_packet
from protocol.wire.fields import SectionEntry, sending_order
from protocol.wire.limits import (
    MAX_FRAGMENTS,
    MAX_HEAD,
    MAX_INLINE,
    MAX_SECTION,
    MAX_SECTIONS,
    MIN_FRAGMENT,
)
from protocol.wire.packets import Data, Offer, Repair
from protocol.wire.seals import CHECKSUM

# Numbers as they are in practice, and as large as they can get: the first decide the size that packets aim at, the
# second keep them within the link's limit for ever.
_USUAL_NUMBER, _USUAL_FRAGMENT = 0xFFFF, 127
LAST_NUMBER = 0xFFFF_FFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingSection:
    """A section to send.

    Attributes:
        layer: the layer's number, 0 to 255.
        coder: the number of the payload's format, 0 to 255.
        payload: the section's bytes, at most 64 KiB.
        urgency: 0 comes first, 7 last (RFC 9218).
        incremental: whether any prefix of the payload is of use.
        lifetime: after how many seconds what is unsent of it is not worth sending any more; the rest goes on.
    """

    layer: int
    coder: int
    payload: bytes
    urgency: int
    incremental: bool = False
    lifetime: float = math.inf


@dataclass(frozen=True, slots=True)
class Cut:
    """A picture cut for a link.

    Attributes:
        offer: its OFFER, apart from the packet number and the lifetime, which are the longest there are.
        sections: what it was cut from.
        inline: the sections that ride in the OFFER.
        counts: the fragments of each of the others that is not empty.
        largest: the largest packet that it can need, in bytes.
    """

    offer: Offer
    sections: tuple[OutgoingSection, ...]
    inline: tuple[int, ...]
    counts: dict[int, int]
    largest: int

    def fragment(self, section: int, index: int) -> bytes:
        """The bytes of a fragment."""
        start = index * self.offer.fragment_size
        return self.sections[section].payload[start : start + self.offer.fragment_size]


def cut_picture(
    *,
    number: int,
    head: bytes,
    sections: Sequence[OutgoingSection],
    jpeg_size: int,
    mortal: bool,
    packet: int,
    mtu: int,
    check: int = CHECKSUM.size,
) -> Cut:
    """Cut a picture.

    Args:
        number: the picture's number.
        head: opaque header, at most 256 bytes.
        sections: in the stream's order.
        jpeg_size: bytes of a JPEG of the original; 0 if unknown.
        mortal: whether it has a deadline, for which its OFFER needs room.
        packet: the size that packets should have on this link, in bytes.
        mtu: the size that they must not exceed, in bytes.
        check: bytes of the check behind every packet.

    Raises:
        LocalProtocolError: the picture breaks a limit of the protocol, or its table does not fit into one packet.
    """
    _check_limits(number, head, sections)
    fragment = min(packet - _usual_framing(number), mtu - _worst_framing(number)) + CHECKSUM.size - check
    if fragment < MIN_FRAGMENT:
        raise LocalProtocolError(f"a link whose packets hold {mtu} bytes leaves no room for a picture")
    room = mtu + CHECKSUM.size - check
    plain = Offer(
        pn=LAST_NUMBER,
        image=number,
        head=head,
        fragment_size=fragment,
        sections=tuple(_entry(section, inline=False) for section in sections),
        jpeg_size=jpeg_size,
        lifetime=LAST_NUMBER if mortal else 0,
    )
    inline = _choose_inline(plain, sections, room - len(encode_packet(plain, limit=room)))
    counts = {
        index: math.ceil(len(section.payload) / fragment)
        for index, section in enumerate(sections)
        if section.payload and index not in inline
    }
    if any(count > MAX_FRAGMENTS for count in counts.values()):
        raise LocalProtocolError(f"a section needs more than {MAX_FRAGMENTS} packets on a link with {mtu}-byte packets")
    offer = Offer(
        pn=plain.pn,
        image=number,
        head=head,
        fragment_size=fragment,
        sections=tuple(_entry(section, inline=index in inline) for index, section in enumerate(sections)),
        inline=b"".join(sections[index].payload for index in inline),
        jpeg_size=jpeg_size,
        lifetime=plain.lifetime,
    )
    largest = max(len(encode_packet(offer, limit=room)), fragment + _worst_framing(number)) + check - CHECKSUM.size
    return Cut(offer, tuple(sections), inline, counts, largest)


def _entry(section: OutgoingSection, *, inline: bool) -> SectionEntry:
    return SectionEntry.of(
        layer=section.layer,
        coder=section.coder,
        urgency=section.urgency,
        incremental=section.incremental,
        length=len(section.payload),
        check=0 if inline else zlib.crc32(section.payload) & 0xFFFF,
    )


def _choose_inline(plain: Offer, sections: Sequence[OutgoingSection], room: int) -> tuple[int, ...]:
    """The most urgent sections, as far as they fit into the first packet."""
    first = min(section.urgency for section in sections)
    # Fields between the table and the payloads are there already; a longer payload's length takes 2 bytes more.
    room = min(MAX_INLINE, room - 4)
    chosen = []
    for index in sending_order(plain.sections):
        room -= len(sections[index].payload)
        if sections[index].urgency != first or room < 0:
            break
        chosen.append(index)
    return tuple(chosen)


def _usual_framing(image: int) -> int:
    data = Data(pn=_USUAL_NUMBER, image=image, section=MAX_SECTIONS - 1, fragment=_USUAL_FRAGMENT, payload=b"x")
    return len(encode_packet(data)) - 1


def _worst_framing(image: int) -> int:
    payload = bytes(256)
    packets: list[Data | Repair] = [
        Data(pn=LAST_NUMBER, image=image, section=MAX_SECTIONS - 1, fragment=MAX_FRAGMENTS - 1, payload=payload),
        Repair(
            pn=LAST_NUMBER, image=image, section=MAX_SECTIONS - 1, group=MAX_FRAGMENTS - 1, index=255, payload=payload
        ),
    ]
    return max(len(encode_packet(packet)) for packet in packets) - len(payload)


def _check_limits(number: int, head: bytes, sections: Sequence[OutgoingSection]) -> None:
    if not 1 <= number <= LAST_NUMBER:
        raise LocalProtocolError(f"a picture's number is from 1 to 2^32 - 1, not {number}")
    if len(head) > MAX_HEAD:
        raise LocalProtocolError(f"a picture's head is at most {MAX_HEAD} bytes, not {len(head)}")
    if not 1 <= len(sections) <= MAX_SECTIONS:
        raise LocalProtocolError(f"a picture has 1 to {MAX_SECTIONS} sections, not {len(sections)}")
    largest = max(len(section.payload) for section in sections)
    if largest > MAX_SECTION:
        raise LocalProtocolError(f"a section is at most {MAX_SECTION} bytes, not {largest}")
