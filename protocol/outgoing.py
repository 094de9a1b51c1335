"""One picture on its way out: what of it was sent, lost and acknowledged."""

import heapq
import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from layercast_errors import LocalProtocolError
from protocol.events import Cost
from protocol.limits import MAX_FRAGMENTS, MAX_HEAD, MAX_INLINE, MAX_SECTION, MAX_SECTIONS, MIN_FRAGMENT
from protocol.packets import Data, Inline, Offer, SectionEntry, encode_packet
from protocol.scheduler import OFFER, Candidate

# The longest a packet number gets in practice, and at all: the first decides the size that packets aim at, the second
# keeps them within the link's limit for ever.
_FAR_NUMBER = 0xFFFF
_LAST_NUMBER = 0xFFFF_FFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingSection:
    """A section to send.

    Attributes:
        layer: the layer's number, 0 to 255.
        coder: the number of the payload's format, 0 to 255.
        payload: the section's bytes, at most 64 KiB.
        urgency: 0 comes first, 7 last (RFC 9218).
        incremental: whether any prefix of the payload is of use.
    """

    layer: int
    coder: int
    payload: bytes
    urgency: int
    incremental: bool = False


@dataclass(slots=True)
class _Run:
    """Numbered pieces that are sent in order, and again when lost."""

    count: int
    fresh: int = 0
    lost: list[int] = field(default_factory=list)
    acknowledged: set[int] = field(default_factory=set)

    def next(self) -> tuple[int, bool] | None:
        """The next piece and whether it was sent before."""
        while self.lost and self.lost[0] in self.acknowledged:
            heapq.heappop(self.lost)
        if self.lost:
            return self.lost[0], True
        return (self.fresh, False) if self.fresh < self.count else None

    def sent(self, piece: int) -> None:
        if self.lost and self.lost[0] == piece:
            heapq.heappop(self.lost)
        else:
            self.fresh = piece + 1

    def give_up(self, piece: int) -> None:
        if piece not in self.acknowledged and piece not in self.lost:
            heapq.heappush(self.lost, piece)

    def finish(self) -> None:
        self.acknowledged.update(range(self.count))
        self.fresh = self.count

    @property
    def done(self) -> bool:
        return len(self.acknowledged) == self.count


class OutgoingImage:
    """A picture's sections, cut for the link, and how far each has come.

    Args:
        number: the picture's number.
        epoch: which run of the sender the number belongs to.
        head: opaque header, at most 256 bytes.
        sections: in the stream's order.
        jpeg_size: bytes of a JPEG of the original; 0 if unknown.
        packet: the size that packets should have on this link, in bytes.
        mtu: the size that they must not exceed, in bytes.
        deadline: when what is left is no longer worth sending, in seconds of the connection's clock.

    Raises:
        LocalProtocolError: the picture breaks a limit of the protocol, or its table does not fit into one packet.
    """

    def __init__(
        self,
        *,
        number: int,
        epoch: int,
        head: bytes,
        sections: tuple[OutgoingSection, ...],
        jpeg_size: int,
        packet: int,
        mtu: int,
        deadline: float = math.inf,
    ) -> None:
        _check(head, sections)
        self.number = number
        self.deadline = deadline
        self._sections = sections
        self._fragment = min(
            packet - _framing(number, _FAR_NUMBER),
            mtu - _framing(number, _LAST_NUMBER),
        )
        if self._fragment < MIN_FRAGMENT:
            raise LocalProtocolError(f"a link whose packets hold {mtu} bytes leaves no room for a picture")
        self._plain_offer = Offer(
            pn=_LAST_NUMBER,
            image=number,
            epoch=epoch,
            head=head,
            jpeg_size=jpeg_size,
            fragment_size=self._fragment,
            sections=tuple(
                SectionEntry(
                    layer=section.layer,
                    coder=section.coder,
                    urgency=section.urgency,
                    incremental=section.incremental,
                    length=len(section.payload),
                    crc32=zlib.crc32(section.payload),
                )
                for section in sections
            ),
            inline=(),
        )
        self._inline = self._choose_inline(mtu)
        encode_packet(self.offer(_LAST_NUMBER), limit=mtu)
        self._offer_run = _Run(1)
        self._runs = {
            index: _Run(math.ceil(len(section.payload) / self._fragment))
            for index, section in enumerate(sections)
            if section.payload and index not in self._inline
        }
        if any(run.count > MAX_FRAGMENTS for run in self._runs.values()):
            raise LocalProtocolError(
                f"a section needs more than {MAX_FRAGMENTS} packets on a link with {mtu}-byte packets"
            )
        self._told: set[int] = set()
        self._packets = 0
        self._total = 0
        self._section_bytes = [0] * len(sections)

    def offer(self, pn: int) -> Offer:
        """The OFFER packet under a packet number."""
        plain = self._plain_offer
        return Offer(
            pn=pn,
            image=plain.image,
            epoch=plain.epoch,
            head=plain.head,
            jpeg_size=plain.jpeg_size,
            fragment_size=plain.fragment_size,
            sections=plain.sections,
            inline=tuple(Inline(section=index, payload=self._sections[index].payload) for index in self._inline),
        )

    def data(self, pn: int, section: int, fragment: int) -> Data:
        """A DATA packet under a packet number."""
        start = fragment * self._fragment
        payload = self._sections[section].payload[start : start + self._fragment]
        return Data(pn=pn, image=self.number, section=section, fragment=fragment, payload=payload)

    def candidates(self) -> Iterator[Candidate]:
        """Each run's next packet. Nothing leaves before the OFFER has left once."""
        piece = self._offer_run.next()
        if piece is not None:
            yield Candidate(
                urgency=min(section.urgency for section in self._sections),
                image=self.number,
                retransmit=piece[1],
                incremental=False,
                section=OFFER,
                fragment=0,
            )
        if not self._offer_run.fresh:
            return
        for index, run in self._runs.items():
            piece = run.next()
            if piece is not None:
                yield Candidate(
                    urgency=self._sections[index].urgency,
                    image=self.number,
                    retransmit=piece[1],
                    incremental=self._sections[index].incremental,
                    section=index,
                    fragment=piece[0],
                )

    def sent(self, section: int, fragment: int, size: int) -> None:
        """Note that a packet of `size` bytes left."""
        self._run(section).sent(fragment)
        self._packets += 1
        self._total += size
        if section == OFFER:
            for index in self._inline:
                self._section_bytes[index] += len(self._sections[index].payload)
        else:
            self._section_bytes[section] += size

    def lost(self, section: int, fragment: int) -> None:
        """Note that a packet must be sent again, unless its content has arrived otherwise."""
        self._run(section).give_up(fragment)

    def arrived(self, section: int, fragment: int) -> list[int]:
        """Note that a packet arrived; gives the sections that are complete by it, each once."""
        self._run(section).acknowledged.add(fragment)
        return self._newly_done()

    def arrived_whole(self, mask: int) -> list[int]:
        """Note the receiver's word on complete sections, bit i for section i; gives those that are news, each once."""
        if mask:
            self._offer_run.finish()
        for index, run in self._runs.items():
            if mask >> index & 1:
                run.finish()
        return self._newly_done()

    @property
    def done(self) -> bool:
        """Whether the receiver holds every section."""
        return len(self._told) == len(self._sections)

    @property
    def cost(self) -> Cost:
        """What the picture has cost on the wire so far."""
        return Cost(packets=self._packets, total=self._total, sections=tuple(self._section_bytes))

    def _run(self, section: int) -> _Run:
        return self._offer_run if section == OFFER else self._runs[section]

    def _newly_done(self) -> list[int]:
        if not self._offer_run.done:
            return []
        complete = (index for index in range(len(self._sections)) if index not in self._runs or self._runs[index].done)
        news = [index for index in complete if index not in self._told]
        self._told.update(news)
        return news

    def _choose_inline(self, mtu: int) -> tuple[int, ...]:
        """The most urgent sections, as far as they fit into the first packet."""
        first = min(section.urgency for section in self._sections)
        room = min(MAX_INLINE, mtu - len(encode_packet(self._plain_offer, limit=mtu)))
        chosen = []
        for index, section in enumerate(self._sections):
            cost = len(section.payload) + 5
            if section.urgency == first and section.payload and cost <= room:
                chosen.append(index)
                room -= cost
        return tuple(chosen)


def _framing(image: int, pn: int) -> int:
    empty = Data(pn=pn, image=image, section=MAX_SECTIONS - 1, fragment=MAX_FRAGMENTS - 1, payload=bytes(256))
    return len(encode_packet(empty)) - 256


def _check(head: bytes, sections: tuple[OutgoingSection, ...]) -> None:
    if len(head) > MAX_HEAD:
        raise LocalProtocolError(f"a picture's head is at most {MAX_HEAD} bytes, not {len(head)}")
    if not 1 <= len(sections) <= MAX_SECTIONS:
        raise LocalProtocolError(f"a picture has 1 to {MAX_SECTIONS} sections, not {len(sections)}")
    largest = max(len(section.payload) for section in sections)
    if largest > MAX_SECTION:
        raise LocalProtocolError(f"a section is at most {MAX_SECTION} bytes, not {largest}")
