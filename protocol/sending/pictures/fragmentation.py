"""The fragmentation of a picture into an OFFER and fragments of a link's packet size."""

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from layercast_common.errors import LocalProtocolError
from protocol.recovery.reed_solomon import repair_pieces
from protocol.recovery.window import PacketSizes
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

# Typical numbers determine the packet size to aim at; the largest ones keep every packet within the link's limit.
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
        incremental: whether any prefix of the payload is useful.
        lifetime: seconds after which the unsent rest of the section is cancelled; other sections continue.
    """

    layer: int
    coder: int
    payload: bytes
    urgency: int
    incremental: bool = False
    lifetime: float = math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureToSend:
    """A picture to send.

    Attributes:
        picture_id: the picture's number, 1 to 2^32 - 1.
        head: opaque header, at most 256 bytes.
        sections: 1 to 32 sections, in the stream's order.
        jpeg_size: size of a JPEG of the original, in bytes; 0 if unknown.
        deadline: when the unsent rest is cancelled, in seconds of the connection's clock.

    Raises:
        LocalProtocolError: a value exceeds a limit of the protocol.
    """

    picture_id: int
    head: bytes
    sections: tuple[OutgoingSection, ...]
    jpeg_size: int = 0
    deadline: float = math.inf

    def __post_init__(self) -> None:
        if not 1 <= self.picture_id <= LAST_NUMBER:
            raise LocalProtocolError(f"a picture's number is from 1 to 2^32 - 1, not {self.picture_id}")
        if len(self.head) > MAX_HEAD:
            raise LocalProtocolError(f"a picture's head is at most {MAX_HEAD} bytes, not {len(self.head)}")
        if not 1 <= len(self.sections) <= MAX_SECTIONS:
            raise LocalProtocolError(f"a picture has 1 to {MAX_SECTIONS} sections, not {len(self.sections)}")
        largest = max(len(section.payload) for section in self.sections)
        if largest > MAX_SECTION:
            raise LocalProtocolError(f"a section is at most {MAX_SECTION} bytes, not {largest}")

    @property
    def size(self) -> int:
        """Size of all payloads, in bytes."""
        return sum(len(section.payload) for section in self.sections)


@dataclass(frozen=True, slots=True)
class FragmentedPicture:
    """A picture fragmented for a link.

    Attributes:
        picture: the picture.
        sizes: the packet sizes that it is fragmented for.
        offer: its OFFER, with the largest packet number and lifetime in place of the real ones.
        inline: the sections inside the OFFER.
        counts: the number of fragments of every other section that is not empty.
        largest: size of the largest packet that it may need, in bytes.
    """

    picture: PictureToSend
    sizes: PacketSizes
    offer: Offer
    inline: tuple[int, ...]
    counts: dict[int, int]
    largest: int

    @property
    def packets(self) -> int:
        """The number of packets without retransmission and repair."""
        return 1 + sum(self.counts.values())

    def offer_packet(self, pn: int, lifetime: int) -> Offer:
        """Return the OFFER.

        Args:
            pn: the packet number.
            lifetime: the picture's lifetime in milliseconds; ignored if the picture has no deadline.
        """
        return msgspec.structs.replace(self.offer, pn=pn, lifetime=lifetime if self.offer.lifetime else 0)

    def data_packet(self, pn: int, section: int, fragment: int) -> Data:
        """Return the DATA packet of a fragment."""
        payload = self._fragment(section, fragment)
        return Data(pn=pn, image=self.picture.picture_id, section=section, fragment=fragment, payload=payload)

    def repair_packet(self, pn: int, section: int, group: tuple[int, range], index: int) -> Repair:
        """Return a REPAIR packet.

        Args:
            pn: the packet number.
            section: the section's index.
            group: the group's number, and its fragments.
            index: the index of the repair piece in its group, from 0.
        """
        number, fragments = group
        (payload,) = repair_pieces([self._fragment(section, one) for one in fragments], 1, first=index)
        return Repair(pn=pn, image=self.picture.picture_id, section=section, group=number, index=index, payload=payload)

    def _fragment(self, section: int, index: int) -> bytes:
        start = index * self.offer.fragment_size
        return self.picture.sections[section].payload[start : start + self.offer.fragment_size]


def fragment_picture(picture: PictureToSend, sizes: PacketSizes) -> FragmentedPicture:
    """Fragment a picture for a link.

    Args:
        picture: the picture.
        sizes: the packet sizes of the link.

    Raises:
        LocalProtocolError: the packets are too small for the picture or its section table.
    """
    number, sections, mtu = picture.picture_id, picture.sections, sizes.mtu
    fragment = min(sizes.target - _usual_framing(number), mtu - _worst_framing(number)) + CHECKSUM.size - sizes.check
    if fragment < MIN_FRAGMENT:
        raise LocalProtocolError(f"a link whose packets hold {mtu} bytes leaves no room for a picture")
    room = mtu + CHECKSUM.size - sizes.check
    plain = Offer(
        pn=LAST_NUMBER,
        image=number,
        head=picture.head,
        fragment_size=fragment,
        sections=tuple(_entry(section, inline=False) for section in sections),
        jpeg_size=picture.jpeg_size,
        lifetime=0 if math.isinf(picture.deadline) else LAST_NUMBER,
    )
    inline = _choose_inline(plain, sections, room - len(encode_packet(plain, limit=room)))
    counts = {
        index: math.ceil(len(section.payload) / fragment)
        for index, section in enumerate(sections)
        if section.payload and index not in inline
    }
    if any(count > MAX_FRAGMENTS for count in counts.values()):
        raise LocalProtocolError(f"a section needs more than {MAX_FRAGMENTS} packets on a link with {mtu}-byte packets")
    offer = msgspec.structs.replace(
        plain,
        sections=tuple(_entry(section, inline=index in inline) for index, section in enumerate(sections)),
        inline=b"".join(sections[index].payload for index in inline),
    )
    largest = max(len(encode_packet(offer, limit=room)), fragment + _worst_framing(number))
    return FragmentedPicture(picture, sizes, offer, inline, counts, largest + sizes.check - CHECKSUM.size)


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
    """Return the most urgent sections that fit into the OFFER."""
    first = min(section.urgency for section in sections)
    # `plain` already has the fields between table and payloads; the length of a longer payload takes 2 bytes more.
    room = min(MAX_INLINE, room - 4)
    chosen = []
    for index in sending_order(plain.sections):
        room -= len(sections[index].payload)
        if sections[index].urgency != first or room < 0:
            break
        chosen.append(index)
    return tuple(chosen)


def _usual_framing(picture_id: int) -> int:
    data = Data(pn=_USUAL_NUMBER, image=picture_id, section=MAX_SECTIONS - 1, fragment=_USUAL_FRAGMENT, payload=b"x")
    return len(encode_packet(data)) - 1


def _worst_framing(picture_id: int) -> int:
    payload, section, last = bytes(256), MAX_SECTIONS - 1, MAX_FRAGMENTS - 1
    packets: list[Data | Repair] = [
        Data(pn=LAST_NUMBER, image=picture_id, section=section, fragment=last, payload=payload),
        Repair(pn=LAST_NUMBER, image=picture_id, section=section, group=last, index=255, payload=payload),
    ]
    return max(len(encode_packet(packet)) for packet in packets) - len(payload)
