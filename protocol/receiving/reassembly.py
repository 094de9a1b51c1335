"""The reassembly of pictures from packets, with bounded memory for any order, repetition or attack.

    OFFER --> section table, inline sections  DATA, REPAIR --> fragments --> payload, check --> SectionReceived
                                              DATA before its OFFER --> held, up to a limit

A picture whose packets contradict each other is poisoned: it fails at once, and no data of it is overwritten. The
reassembly outlives its connection if the sender resumes in time, see `sessions.py`.
"""

import math
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from protocol.connection.events import ReceiverEvent
from protocol.receiving.picture import PictureReassembly
from protocol.receiving.section import ContradictionError
from protocol.wire.codes import Code
from protocol.wire.fields import Have
from protocol.wire.limits import ALL_SECTIONS, Limits
from protocol.wire.packets import Data, Offer, Repair

#: How long after its lifetime a picture expires, in seconds: packets sent in time may still arrive.
EXPIRY_SECONDS = 5.0

#: Returns whether the application has all of a picture: (stream_id, epoch, picture_id). Such a picture emits no event.
Held = Callable[[bytes, int, int], bool]


def holds_nothing(stream_id: bytes, epoch: int, picture_id: int) -> bool:
    """Return False: the application stores no pictures."""
    del stream_id, epoch, picture_id
    return False


@dataclass(frozen=True, slots=True)
class _Finished:
    """The outcome of a finished picture. `failure` is None if it is complete."""

    done_mask: int
    failure: Code | None


class Reassembly:
    """The pictures that one peer is sending.

    Args:
        session: the id of the session, for the events.
        limits: bounds on what the peer may make this side hold.
        rate: the link's rate as announced by the peer, in bit/s, for the events; 0 if unknown.
        stream_id, epoch: the sender's id and numbering, for the events and for `held`.
        held: returns which pictures the application has already.

    Attributes:
        session, rate, stream_id, epoch: as above.
    """

    def __init__(
        self,
        *,
        session: str,
        limits: Limits,
        rate: int = 0,
        stream_id: bytes = b"",
        epoch: int = 0,
        held: Held = holds_nothing,
    ) -> None:
        self.session = session
        self.stream_id = stream_id
        self.epoch = epoch
        self.rate = rate
        self._limits = limits
        self._held = held
        self._open: dict[int, PictureReassembly] = {}
        self._finished: OrderedDict[int, _Finished] = OrderedDict()
        self._early: dict[int, list[tuple[Data | Repair, int]]] = {}
        self._evicted: deque[float] = deque(maxlen=limits.evictions)

    @property
    def held(self) -> int:
        """The most bytes that the open pictures may hold, plus the early packets."""
        return sum(picture.announced for picture in self._open.values()) + sum(
            len(packet.payload) for packets in self._early.values() for packet, _ in packets
        )

    def on_offer(self, offer: Offer, size: int, now: float) -> list[ReceiverEvent]:
        """Process an OFFER of `size` bytes on the wire; return the events."""
        if offer.image in self._finished:
            return []
        known = self._open.get(offer.image)
        if known is not None:
            return self._on_repeated_offer(known, offer, size)
        if self._held(self.stream_id, self.epoch, offer.image):
            self._remember(offer.image, _Finished(2 ** len(offer.sections) - 1, None))
            return []
        early = self._early.get(offer.image, [])
        picture = PictureReassembly(offer, size + sum(early_size for _, early_size in early))
        if picture.announced > self._limits.peer_bytes:
            return self._fail(offer.image, Code.TOO_LARGE)
        if self._is_flooded(picture.announced, now):
            return self._fail(offer.image, Code.EVICTED)
        events = self._evict(picture.announced, now)
        self._early.pop(offer.image, None)
        self._open[offer.image] = picture
        picture.expires_at = now + offer.lifetime / 1000 + EXPIRY_SECONDS if offer.lifetime else math.inf
        events.append(picture.offer_event(self.session, self.stream_id, self.epoch, self.rate))
        events += self._update(picture, picture.add_inline)
        for packet, _ in early:
            events += self._add(packet)
        return events

    def on_data(self, packet: Data | Repair, size: int) -> list[ReceiverEvent] | None:
        """Process a packet of `size` bytes on the wire; return the events, or None if the packet was discarded."""
        picture = self._open.get(packet.image)
        if picture is not None:
            picture.received += size
            if isinstance(packet, Repair) and self.held + len(packet.payload) > self._limits.peer_bytes:
                return []
            return self._add(packet)
        if packet.image in self._finished:
            return []
        if sum(map(len, self._early.values())) >= self._limits.early_packets:
            return None
        self._early.setdefault(packet.image, []).append((packet, size))
        return []

    def on_cancel(self, picture_id: int, mask: int = ALL_SECTIONS) -> list[ReceiverEvent] | None:
        """Cancel sections, bit i for section i; return the events, or None if the OFFER must arrive first."""
        if picture_id in self._finished:
            return []
        if mask == ALL_SECTIONS:
            return self._fail(picture_id, Code.CANCELLED)
        picture = self._open.get(picture_id)
        if picture is None:
            return None
        picture.drop(mask)
        return self._finish(picture)

    def refuse(self, picture_id: int) -> list[ReceiverEvent]:
        """End a picture, complete or not, that the application cannot read; return the events."""
        return self._fail(picture_id, Code.UNREADABLE)

    def mask_from(self, picture_id: int, layer: int) -> int:
        """Return the sections of a layer and of all later layers of an open picture, bit i for section i."""
        picture = self._open.get(picture_id)
        return 0 if picture is None else picture.mask_from(layer)

    def cancel_all(self, code: Code) -> list[ReceiverEvent]:
        """End every open picture; return the events."""
        return [event for picture_id in list(self._open) for event in self._fail(picture_id, code)]

    def expire(self, now: float) -> list[ReceiverEvent]:
        """End the pictures whose lifetime is over; return the events."""
        late = [picture_id for picture_id, picture in self._open.items() if now >= picture.expires_at]
        return [event for picture_id in late for event in self._fail(picture_id, Code.EXPIRED)]

    def next_expiry(self) -> float:
        """Return when the next lifetime ends, in seconds; infinite if none does."""
        return min((picture.expires_at for picture in self._open.values()), default=math.inf)

    def reconnect(self, rate: int) -> None:
        """Continue over another link of `rate` bit/s: the peer may fragment its open pictures again."""
        self.rate = rate
        self._early.clear()
        for picture in self._open.values():
            picture.may_change = True

    def have(self) -> Iterator[Have]:
        """Yield the data held, newest pictures first; failed pictures are left out."""
        for picture_id in sorted({*self._open, *self._finished}, reverse=True):
            picture = self._open.get(picture_id)
            if picture is not None:
                yield picture.have()
            elif self._finished[picture_id].failure is None:
                yield Have(image=picture_id, sections=self._finished[picture_id].done_mask)

    def is_finished(self, picture_id: int) -> bool:
        """Return whether a picture is complete or has failed."""
        return picture_id in self._finished

    def failure_of(self, picture_id: int) -> Code | None:
        """Return why a picture failed; None if it did not."""
        finished = self._finished.get(picture_id)
        return finished.failure if finished else None

    def done_mask(self, picture_id: int) -> int:
        """Return the complete sections of a picture, bit i for section i."""
        if picture_id in self._open:
            return self._open[picture_id].done_mask
        return self._finished[picture_id].done_mask if picture_id in self._finished else 0

    def _on_repeated_offer(self, picture: PictureReassembly, offer: Offer, size: int) -> list[ReceiverEvent]:
        picture.received += size
        if picture.is_same(offer):
            picture.may_change = False
            return []
        if not picture.may_change:
            return self._fail(offer.image, Code.BAD_OBJECT)
        return self._update(picture, lambda: picture.replace_offer(offer))

    def _add(self, packet: Data | Repair) -> list[ReceiverEvent]:
        picture = self._open.get(packet.image)
        return [] if picture is None else self._update(picture, lambda: picture.add(packet))

    def _update(self, picture: PictureReassembly, step: Callable[[], list[int]]) -> list[ReceiverEvent]:
        """Run a step that returns newly complete sections; a contradiction ends the picture."""
        events: list[ReceiverEvent] = []
        try:
            complete = step()
        except ContradictionError:
            return self._fail(picture.offer.image, Code.BAD_OBJECT)
        events += [picture.section_event(self.session, index) for index in complete]
        return events + self._finish(picture)

    def _finish(self, picture: PictureReassembly) -> list[ReceiverEvent]:
        if any(section.open for section in picture.sections):
            return []
        self._remember(picture.offer.image, _Finished(picture.done_mask, None))
        return [picture.done_event(self.session)]

    def _fail(self, picture_id: int, code: Code) -> list[ReceiverEvent]:
        """End a picture with a failure; one that was not offered emits no event."""
        picture = self._open.get(picture_id)
        self._remember(picture_id, _Finished(picture.done_mask if picture else 0, code))
        return [] if picture is None else [picture.aborted_event(self.session, code)]

    def _is_full(self, announced: int) -> bool:
        return bool(self._open) and (
            len(self._open) >= self._limits.open_pictures or self.held + announced > self._limits.peer_bytes
        )

    def _is_flooded(self, announced: int, now: float) -> bool:
        """Return whether the peer offers faster than the eviction limit."""
        return (
            self._is_full(announced) and len(self._evicted) == self._limits.evictions and now - self._evicted[0] < 1.0
        )

    def _evict(self, announced: int, now: float) -> list[ReceiverEvent]:
        events: list[ReceiverEvent] = []
        while self._is_full(announced):
            self._evicted.append(now)
            events += self._fail(next(iter(self._open)), Code.EVICTED)
        return events

    def _remember(self, picture_id: int, finished: _Finished) -> None:
        self._open.pop(picture_id, None)
        self._early.pop(picture_id, None)
        self._finished[picture_id] = finished
        while len(self._finished) > self._limits.remembered:
            self._finished.popitem(last=False)
