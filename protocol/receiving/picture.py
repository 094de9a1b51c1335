"""One picture on its way in: what its OFFER says, and how far each section has come."""

import math

from protocol.connection.events import OfferReceived, SectionInfo, SectionReceived
from protocol.receiving.section import ContradictionError, IncomingSection
from protocol.wire.fields import Have, inline_sections
from protocol.wire.limits import MAX_FRAGMENTS
from protocol.wire.packets import Data, Offer, Repair


class PictureReassembly:
    """A picture that was offered and is not finished.

    Args:
        offer: its OFFER.
        received: bytes of it that came over the wire so far.
    """

    def __init__(self, offer: Offer, received: int) -> None:
        self.offer = offer
        self.received = received
        self.sections = [IncomingSection(entry, offer.fragment_size) for entry in offer.sections]
        self.expires_at = math.inf
        #: Whether another OFFER may say other things: the sender may have had to cut it anew for another link.
        self.may_change = False

    @property
    def announced(self) -> int:
        """Bytes that it may come to hold."""
        return sum(section.entry.length + section.repair_bytes for section in self.sections)

    @property
    def done_mask(self) -> int:
        """The complete sections: bit i stands for section i."""
        return sum(1 << index for index, section in enumerate(self.sections) if section.payload is not None)

    @property
    def dropped(self) -> tuple[int, ...]:
        """The sections that will not come."""
        return tuple(
            index for index, section in enumerate(self.sections) if section.payload is None and section.dropped
        )

    def offered(self, session: str, stream: bytes, epoch: int, rate: int) -> OfferReceived:
        """The event that tells of it."""
        infos = tuple(
            SectionInfo(
                layer=entry.layer,
                coder=entry.coder,
                urgency=entry.urgency,
                incremental=entry.incremental,
                size=entry.length,
            )
            for entry in self.offer.sections
        )
        return OfferReceived(
            session=session,
            picture_id=self.offer.image,
            head=self.offer.head,
            sections=infos,
            jpeg_size=self.offer.jpeg_size,
            rate=rate,
            received=self.received,
            stream_id=stream,
            epoch=epoch,
        )

    def completed(self, session: str, index: int) -> SectionReceived:
        """The event that tells of a section."""
        section = self.sections[index]
        assert section.payload is not None
        return SectionReceived(
            session=session,
            picture_id=self.offer.image,
            index=index,
            layer=section.entry.layer,
            coder=section.entry.coder,
            payload=section.payload,
            received=self.received,
        )

    def take_inline(self) -> list[int]:
        """Take what the OFFER itself carries, empty sections included; gives the sections that are complete by it.

        Raises:
            ContradictionError: the OFFER contradicts itself.
        """
        inline = inline_sections(self.offer.sections, len(self.offer.inline))
        if inline is None:
            raise ContradictionError
        complete, start = [], 0
        for index in inline:
            section = self.sections[index]
            payload = self.offer.inline[start : start + section.entry.length]
            start += len(payload)
            if section.payload not in (None, payload):
                raise ContradictionError
            if section.payload is None:
                section.finish(payload)
                complete.append(index)
        for index, section in enumerate(self.sections):
            if section.payload is None and section.entry.length == 0:
                section.complete(b"")
                complete.append(index)
            if section.payload is None and section.count > MAX_FRAGMENTS:
                raise ContradictionError
        return sorted(complete)

    def take(self, packet: Data | Repair) -> list[int]:
        """Take a packet; gives the sections that are complete by it.

        Raises:
            ContradictionError: it does not belong here.
        """
        if packet.section >= len(self.sections):
            raise ContradictionError
        section = self.sections[packet.section]
        waiting = section.payload is None
        if section.dropped:
            return []
        if isinstance(packet, Data):
            section.add(packet.fragment, packet.payload)
        else:
            section.add_repair(packet.group, packet.index, packet.payload)
        return [packet.section] if waiting and section.payload is not None else []

    def mask_from(self, layer: int) -> int:
        """The sections of the layers from one on, bit i for section i."""
        return sum(1 << index for index, section in enumerate(self.sections) if section.entry.layer >= layer)

    def drop(self, mask: int) -> None:
        """Note that sections will not come, bit i for section i."""
        for index, section in enumerate(self.sections):
            section.dropped = section.dropped or bool(mask >> index & 1)

    def change(self, offer: Offer) -> list[int]:
        """Take another OFFER of the same sections, cut for another link; gives the sections that are complete by it.

        Raises:
            ContradictionError: it is of other sections.
        """
        for old, new in zip(self.offer.sections, offer.sections, strict=False):
            same = (old.place, old.coder, old.length) == (new.place, new.coder, new.length)
            if not same or (old.check and new.check and old.check != new.check):
                raise ContradictionError
        if len(offer.sections) != len(self.sections) or offer.head != self.offer.head:
            raise ContradictionError
        sections = [IncomingSection(entry, offer.fragment_size) for entry in offer.sections]
        for old_section, section in zip(self.sections, sections, strict=True):
            section.dropped = old_section.dropped
            section.payload = old_section.payload
        self.offer, self.sections, self.may_change = offer, sections, False
        return self.take_inline()

    def is_same(self, offer: Offer) -> bool:
        """Whether an OFFER says what the known one says, apart from its packet number and its time."""
        known = self.offer
        return (
            known.head == offer.head
            and known.jpeg_size == offer.jpeg_size
            and known.fragment_size == offer.fragment_size
            and known.sections == offer.sections
            and known.inline == offer.inline
        )

    def have(self) -> Have:
        """What is held of it."""
        parts = (section.part(index) for index, section in enumerate(self.sections) if section.payload is None)
        held = tuple(part for part in parts if part is not None)
        size = self.offer.fragment_size
        return Have(image=self.offer.image, sections=self.done_mask, fragment_size=size, parts=held)
