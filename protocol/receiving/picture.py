"""The reassembly of one picture: its OFFER and its sections."""

import math

from protocol.connection.events import OfferReceived, PictureAborted, PictureDone, SectionInfo, SectionReceived
from protocol.receiving.section import ContradictionError, IncomingSection
from protocol.wire.codes import Code
from protocol.wire.fields import Have, inline_sections
from protocol.wire.limits import MAX_FRAGMENTS
from protocol.wire.packets import Data, Offer, Repair


class PictureReassembly:
    """An offered picture that is not finished.

    Args:
        offer: its OFFER.
        received: bytes of it received so far, packet framing included.

    Attributes:
        offer, received: as above.
        sections: the data held.
        expires_at: when its lifetime ends, in seconds; infinite if it has none.
        may_change: whether a different OFFER is legal, because the sender may have fragmented it for another link.
    """

    def __init__(self, offer: Offer, received: int) -> None:
        self.offer = offer
        self.received = received
        self.sections = [IncomingSection(entry, offer.fragment_size) for entry in offer.sections]
        self.expires_at = math.inf
        self.may_change = False

    @property
    def announced(self) -> int:
        """The most payload and repair bytes that it may hold."""
        return sum(section.entry.length + section.repair_bytes for section in self.sections)

    @property
    def done_mask(self) -> int:
        """The complete sections, bit i for section i."""
        return sum(1 << index for index, section in enumerate(self.sections) if section.payload is not None)

    @property
    def dropped(self) -> tuple[int, ...]:
        """The sections that were cancelled before they were complete."""
        return tuple(
            index for index, section in enumerate(self.sections) if section.payload is None and section.dropped
        )

    def offer_event(self, session: str, stream_id: bytes, epoch: int, rate: int) -> OfferReceived:
        """Return the event of the new picture; the arguments are those of `OfferReceived`."""
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
            stream_id=stream_id,
            epoch=epoch,
        )

    def section_event(self, session: str, index: int) -> SectionReceived:
        """Return the event of a complete section."""
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

    def done_event(self, session: str) -> PictureDone:
        """Return the event of the complete picture."""
        return PictureDone(session=session, picture_id=self.offer.image, received=self.received, dropped=self.dropped)

    def aborted_event(self, session: str, code: Code) -> PictureAborted:
        """Return the event of the failed picture."""
        return PictureAborted(
            session=session, picture_id=self.offer.image, code=code, reason=code.text, received=self.received
        )

    def add_inline(self) -> list[int]:
        """Add the sections inside the OFFER, empty ones included; return the newly complete sections.

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

    def add(self, packet: Data | Repair) -> list[int]:
        """Add a packet; return the newly complete sections.

        Raises:
            ContradictionError: the packet contradicts the OFFER or other packets.
        """
        if packet.section >= len(self.sections):
            raise ContradictionError
        section = self.sections[packet.section]
        incomplete = section.payload is None
        if section.dropped:
            return []
        if isinstance(packet, Data):
            section.add(packet.fragment, packet.payload)
        else:
            section.add_repair(packet.group, packet.index, packet.payload)
        return [packet.section] if incomplete and section.payload is not None else []

    def mask_from(self, layer: int) -> int:
        """Return the sections of a layer and of all later layers, bit i for section i."""
        return sum(1 << index for index, section in enumerate(self.sections) if section.entry.layer >= layer)

    def drop(self, mask: int) -> None:
        """Mark sections as cancelled, bit i for section i."""
        for index, section in enumerate(self.sections):
            section.dropped = section.dropped or bool(mask >> index & 1)

    def replace_offer(self, offer: Offer) -> list[int]:
        """Replace the OFFER by one that fragments the same sections differently; return the newly complete sections.

        Raises:
            ContradictionError: the OFFER describes different sections.
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
        return self.add_inline()

    def is_same(self, offer: Offer) -> bool:
        """Return whether an OFFER equals the known one, apart from packet number and lifetime."""
        known = self.offer
        return (
            known.head == offer.head
            and known.jpeg_size == offer.jpeg_size
            and known.fragment_size == offer.fragment_size
            and known.sections == offer.sections
            and known.inline == offer.inline
        )

    def have(self) -> Have:
        """Return the data held, for RESUME."""
        parts = (section.part(index) for index, section in enumerate(self.sections) if section.payload is None)
        held = tuple(part for part in parts if part is not None)
        size = self.offer.fragment_size
        return Have(image=self.offer.image, sections=self.done_mask, fragment_size=size, parts=held)
