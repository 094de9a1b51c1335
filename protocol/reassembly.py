"""Fragments to sections, with bounded memory, whatever the order, the repetition or the malice.

    OFFER --> table, inline sections          DATA --> fragments --> payload, check --> SectionReceived
                                              DATA before its OFFER --> held, a few

A picture whose packets contradict each other is poisoned: it fails at once, and nothing of it is overwritten.
"""

import zlib
from collections import OrderedDict
from dataclasses import dataclass, field

from protocol.codes import Code
from protocol.events import ImageDone, ImageFailed, OfferReceived, ReceiverEvent, SectionInfo, SectionReceived
from protocol.limits import MAX_FRAGMENTS, Limits
from protocol.packets import Data, Offer, SectionEntry


class _ContradictionError(Exception):
    """Two packets of a picture cannot both be right."""


@dataclass(slots=True)
class _Section:
    entry: SectionEntry
    fragment_size: int
    fragments: dict[int, bytes] = field(default_factory=dict)
    payload: bytes | None = None

    def add(self, index: int, fragment: bytes) -> None:
        start = index * self.fragment_size
        if len(fragment) != min(self.fragment_size, self.entry.length - start):
            raise _ContradictionError
        known = self.fragments.get(index) if self.payload is None else self.payload[start : start + len(fragment)]
        if known not in (None, fragment):
            raise _ContradictionError
        if self.payload is None:
            self.fragments[index] = fragment
            if len(self.fragments) * self.fragment_size >= self.entry.length:
                self.complete(b"".join(self.fragments[i] for i in range(len(self.fragments))))

    def complete(self, payload: bytes) -> None:
        if len(payload) != self.entry.length or zlib.crc32(payload) != self.entry.crc32:
            raise _ContradictionError
        self.payload = payload
        self.fragments.clear()


@dataclass(slots=True)
class _Image:
    offer: Offer
    sections: list[_Section]
    received: int

    @property
    def announced(self) -> int:
        return sum(section.entry.length for section in self.sections)

    @property
    def done_mask(self) -> int:
        return sum(1 << index for index, section in enumerate(self.sections) if section.payload is not None)


@dataclass(frozen=True, slots=True)
class _Finished:
    """What is remembered of a picture that is no longer open. `failure` is None if it became complete."""

    done_mask: int
    failure: Code | None


class Reassembly:
    """The pictures that one peer is sending.

    Args:
        session: the connection's name, for the events.
        rate: the link's rate as the peer told it, in bit/s, for the events.
        limits: what the peer may make us hold.
    """

    def __init__(self, *, session: str, rate: int, limits: Limits) -> None:
        self._session = session
        self._rate = rate
        self._limits = limits
        self._open: dict[int, _Image] = {}
        self._finished: OrderedDict[int, _Finished] = OrderedDict()
        self._early: dict[int, list[tuple[Data, int]]] = {}

    @property
    def held(self) -> int:
        """Payload bytes that the open pictures may come to hold, early packets included."""
        return sum(image.announced for image in self._open.values()) + sum(
            len(packet.payload) for packets in self._early.values() for packet, _ in packets
        )

    def offer(self, offer: Offer, size: int) -> list[ReceiverEvent]:
        """Take an OFFER of `size` bytes on the wire."""
        if offer.image in self._finished:
            return []
        known = self._open.get(offer.image)
        if known is not None:
            known.received += size
            return [] if _same(known.offer, offer) else self._fail(offer.image, Code.BAD_OBJECT)
        sections = [_Section(entry, offer.fragment_size) for entry in offer.sections]
        early = self._early.pop(offer.image, [])
        image = _Image(offer, sections, size + sum(early_size for _, early_size in early))
        if image.announced > self._limits.peer_bytes:
            return self._fail(offer.image, Code.TOO_LARGE)
        events = self._make_room(image.announced)
        self._open[offer.image] = image
        events.append(self._opened(image))
        return events + self._take_inline(image) + [event for packet, _ in early for event in self._take(packet)]

    def data(self, data: Data, size: int) -> list[ReceiverEvent] | None:
        """Take a DATA of `size` bytes on the wire; None if there was no room to hold it, so that it must come again."""
        image = self._open.get(data.image)
        if image is not None:
            image.received += size
            return self._take(data)
        if data.image in self._finished:
            return []
        if sum(map(len, self._early.values())) >= self._limits.early_packets:
            return None
        self._early.setdefault(data.image, []).append((data, size))
        return []

    def cancel(self, image: int, code: Code = Code.CANCELLED) -> list[ReceiverEvent]:
        """Give up a picture, open or not yet offered."""
        if image in self._finished:
            return []
        return self._fail(image, code)

    def cancel_all(self, code: Code) -> list[ReceiverEvent]:
        """Give up every open picture."""
        return [event for image in list(self._open) for event in self._fail(image, code)]

    def failure_of(self, image: int) -> Code | None:
        """Why a picture failed, if it did."""
        finished = self._finished.get(image)
        return finished.failure if finished else None

    def done_mask(self, image: int) -> int:
        """The complete sections of a picture: bit i stands for section i."""
        if image in self._open:
            return self._open[image].done_mask
        return self._finished[image].done_mask if image in self._finished else 0

    def _opened(self, image: _Image) -> OfferReceived:
        offer = image.offer
        return OfferReceived(
            session=self._session,
            image=offer.image,
            head=offer.head,
            sections=tuple(
                SectionInfo(
                    layer=entry.layer,
                    coder=entry.coder,
                    urgency=entry.urgency,
                    incremental=entry.incremental,
                    size=entry.length,
                )
                for entry in offer.sections
            ),
            jpeg_size=offer.jpeg_size,
            rate=self._rate,
            received=image.received,
        )

    def _take_inline(self, image: _Image) -> list[ReceiverEvent]:
        """Complete what the OFFER itself carries, empty sections included."""
        events: list[ReceiverEvent] = []
        payloads = {inline.section: inline.payload for inline in image.offer.inline}
        payloads |= {index: b"" for index, entry in enumerate(image.offer.sections) if entry.length == 0}
        too_many = any(
            section.entry.length > MAX_FRAGMENTS * section.fragment_size
            for index, section in enumerate(image.sections)
            if index not in payloads
        )
        if too_many or len(payloads) < len(image.offer.inline):
            return self._fail(image.offer.image, Code.BAD_OBJECT)
        for index, payload in payloads.items():
            if index >= len(image.sections):
                return events + self._fail(image.offer.image, Code.BAD_OBJECT)
            try:
                image.sections[index].complete(payload)
            except _ContradictionError:
                return events + self._fail(image.offer.image, Code.BAD_OBJECT)
            events.append(self._completed(image, index))
        return events + self._finish(image)

    def _take(self, data: Data) -> list[ReceiverEvent]:
        image = self._open.get(data.image)
        if image is None:
            return []
        if data.section >= len(image.sections):
            return self._fail(data.image, Code.BAD_OBJECT)
        section = image.sections[data.section]
        before = section.payload
        try:
            section.add(data.fragment, data.payload)
        except _ContradictionError:
            return self._fail(data.image, Code.BAD_OBJECT)
        if before is not None or section.payload is None:
            return []
        return [self._completed(image, data.section), *self._finish(image)]

    def _completed(self, image: _Image, index: int) -> SectionReceived:
        section = image.sections[index]
        assert section.payload is not None
        return SectionReceived(
            session=self._session,
            image=image.offer.image,
            index=index,
            layer=section.entry.layer,
            coder=section.entry.coder,
            payload=section.payload,
            received=image.received,
        )

    def _finish(self, image: _Image) -> list[ReceiverEvent]:
        if any(section.payload is None for section in image.sections):
            return []
        number = image.offer.image
        self._remember(number, _Finished(image.done_mask, None))
        return [ImageDone(session=self._session, image=number, received=image.received)]

    def _fail(self, number: int, code: Code) -> list[ReceiverEvent]:
        """End a picture without success; nobody has heard of one that was not offered, so nobody is told."""
        image = self._open.get(number)
        self._remember(number, _Finished(image.done_mask if image else 0, code))
        if image is None:
            return []
        return [ImageFailed(session=self._session, image=number, code=code, reason=code.text, received=image.received)]

    def _make_room(self, announced: int) -> list[ReceiverEvent]:
        events: list[ReceiverEvent] = []
        while self._open and (
            len(self._open) >= self._limits.open_images or self.held + announced > self._limits.peer_bytes
        ):
            events += self._fail(next(iter(self._open)), Code.EVICTED)
        return events

    def _remember(self, number: int, finished: _Finished) -> None:
        self._open.pop(number, None)
        self._early.pop(number, None)
        self._finished[number] = finished
        while len(self._finished) > self._limits.remembered:
            self._finished.popitem(last=False)


def _same(first: Offer, second: Offer) -> bool:
    """Whether two OFFERs say the same, their packet numbers aside."""
    return (
        first.epoch == second.epoch
        and first.head == second.head
        and first.jpeg_size == second.jpeg_size
        and first.fragment_size == second.fragment_size
        and first.sections == second.sections
        and first.inline == second.inline
    )
