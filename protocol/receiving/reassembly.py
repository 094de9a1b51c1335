"""Fragments to sections, with bounded memory, whatever the order, the repetition or the malice.

    OFFER --> table, inline sections          DATA, REPAIR --> fragments --> payload, check --> SectionReceived
                                              DATA before its OFFER --> held, a few

A picture whose packets contradict each other is poisoned: it fails at once, and nothing of it is overwritten. What is
here outlives a connection if the sender comes back in time (`sessions.py`).
"""

import math
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from protocol.connection.events import PictureAborted, PictureDone, ReceiverEvent
from protocol.receiving.picture import PictureReassembly
from protocol.receiving.section import ContradictionError
from protocol.wire.codes import Code
from protocol.wire.fields import Have
from protocol.wire.limits import ALL_SECTIONS, Limits
from protocol.wire.packets import Data, Offer, Repair

#: How much longer than its lifetime a picture is waited for, in seconds: what left in time may still be on its way.
EXPIRY_SECONDS = 5.0

#: Whether the application has all of a picture: (stream, epoch, image). A picture that it has is never told again.
Held = Callable[[bytes, int, int], bool]


def holds_nothing(stream: bytes, epoch: int, image: int) -> bool:
    """That of an application that keeps no pictures."""
    del stream, epoch, image
    return False


@dataclass(frozen=True, slots=True)
class _Finished:
    """What is remembered of a picture that is no longer open. `failure` is None if it became complete."""

    done_mask: int
    failure: Code | None


class Reassembly:
    """The pictures that one peer is sending.

    Args:
        session: the connection's name, for the events.
        stream, epoch: who sends, for the events and for `held`.
        rate: the link's rate as the peer told it, in bit/s, for the events.
        limits: what the peer may make us hold.
        held: which pictures the application has already.
    """

    def __init__(
        self,
        *,
        session: str,
        limits: Limits,
        rate: int = 0,
        stream: bytes = b"",
        epoch: int = 0,
        held: Held = holds_nothing,
    ) -> None:
        self.session = session
        self.stream = stream
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
        """Payload bytes that the open pictures may come to hold, early packets included."""
        return sum(image.announced for image in self._open.values()) + sum(
            len(packet.payload) for packets in self._early.values() for packet, _ in packets
        )

    def offer(self, offer: Offer, size: int, now: float) -> list[ReceiverEvent]:
        """Take an OFFER of `size` bytes on the wire."""
        if offer.image in self._finished:
            return []
        known = self._open.get(offer.image)
        if known is not None:
            return self._offer_again(known, offer, size)
        if self._held(self.stream, self.epoch, offer.image):
            self._remember(offer.image, _Finished(2 ** len(offer.sections) - 1, None))
            return []
        early = self._early.get(offer.image, [])
        image = PictureReassembly(offer, size + sum(early_size for _, early_size in early))
        if image.announced > self._limits.peer_bytes:
            return self._fail(offer.image, Code.TOO_LARGE)
        if self._is_flooded(image.announced, now):
            return self._fail(offer.image, Code.EVICTED)
        events = self._make_room(image.announced, now)
        self._early.pop(offer.image, None)
        self._open[offer.image] = image
        image.expires_at = now + offer.lifetime / 1000 + EXPIRY_SECONDS if offer.lifetime else math.inf
        events.append(image.offered(self.session, self.stream, self.epoch, self.rate))
        events += self._inside(image, image.take_inline)
        for packet, _ in early:
            events += self._take(packet)
        return events

    def data(self, packet: Data | Repair, size: int) -> list[ReceiverEvent] | None:
        """Take a packet of `size` bytes on the wire; None if there was no room for it, so that it must come again."""
        image = self._open.get(packet.image)
        if image is not None:
            image.received += size
            if isinstance(packet, Repair) and self.held + len(packet.payload) > self._limits.peer_bytes:
                return []
            return self._take(packet)
        if packet.image in self._finished:
            return []
        if sum(map(len, self._early.values())) >= self._limits.early_packets:
            return None
        self._early.setdefault(packet.image, []).append((packet, size))
        return []

    def cancel(self, number: int, mask: int = ALL_SECTIONS, code: Code = Code.CANCELLED) -> list[ReceiverEvent] | None:
        """Give up a picture, open or not yet offered, or sections of one; None if its OFFER must come first."""
        if number in self._finished:
            return []
        if mask == ALL_SECTIONS:
            return self._fail(number, code)
        image = self._open.get(number)
        if image is None:
            return None
        image.drop(mask)
        return self._finish(image)

    def mask_from(self, number: int, layer: int) -> int:
        """The sections of an open picture's layers from one on, bit i for section i."""
        image = self._open.get(number)
        return 0 if image is None else image.mask_from(layer)

    def cancel_all(self, code: Code) -> list[ReceiverEvent]:
        """Give up every open picture."""
        return [event for image in list(self._open) for event in self._fail(image, code)]

    def expire(self, now: float) -> list[ReceiverEvent]:
        """Give up the pictures whose time is over."""
        late = [number for number, image in self._open.items() if now >= image.expires_at]
        return [event for number in late for event in self._fail(number, Code.EXPIRED)]

    def next_expiry(self) -> float:
        """When the time of the next picture is over, in seconds; infinite if that of none is."""
        return min((image.expires_at for image in self._open.values()), default=math.inf)

    def reconnect(self, rate: int) -> None:
        """Note that the peer comes over another link now: what it cut for the old one it may have to cut anew."""
        self.rate = rate
        self._early.clear()
        for image in self._open.values():
            image.may_change = True

    def have(self) -> Iterator[Have]:
        """What is held, newest pictures first; of those that failed nothing is."""
        for number in sorted({*self._open, *self._finished}, reverse=True):
            image = self._open.get(number)
            if image is not None:
                yield image.have()
            elif self._finished[number].failure is None:
                yield Have(image=number, sections=self._finished[number].done_mask)

    def is_finished(self, image: int) -> bool:
        """Whether a picture is complete or has failed, so that no packet of it is of use."""
        return image in self._finished

    def failure_of(self, image: int) -> Code | None:
        """Why a picture failed, if it did."""
        finished = self._finished.get(image)
        return finished.failure if finished else None

    def done_mask(self, image: int) -> int:
        """The complete sections of a picture: bit i stands for section i."""
        if image in self._open:
            return self._open[image].done_mask
        return self._finished[image].done_mask if image in self._finished else 0

    def _offer_again(self, image: PictureReassembly, offer: Offer, size: int) -> list[ReceiverEvent]:
        image.received += size
        if image.is_same(offer):
            image.may_change = False
            return []
        if not image.may_change:
            return self._fail(offer.image, Code.BAD_OBJECT)
        return self._inside(image, lambda: image.change(offer))

    def _take(self, packet: Data | Repair) -> list[ReceiverEvent]:
        image = self._open.get(packet.image)
        return [] if image is None else self._inside(image, lambda: image.take(packet))

    def _inside(self, image: PictureReassembly, step: Callable[[], list[int]]) -> list[ReceiverEvent]:
        """Let something happen to a picture that may complete sections of it, all of it, or end it."""
        events: list[ReceiverEvent] = []
        try:
            complete = step()
        except ContradictionError:
            return self._fail(image.offer.image, Code.BAD_OBJECT)
        events += [image.completed(self.session, index) for index in complete]
        return events + self._finish(image)

    def _finish(self, image: PictureReassembly) -> list[ReceiverEvent]:
        if any(section.open for section in image.sections):
            return []
        number = image.offer.image
        self._remember(number, _Finished(image.done_mask, None))
        return [PictureDone(session=self.session, picture_id=number, received=image.received, dropped=image.dropped)]

    def _fail(self, number: int, code: Code) -> list[ReceiverEvent]:
        """End a picture without success; nobody has heard of one that was not offered, so nobody is told."""
        image = self._open.get(number)
        self._remember(number, _Finished(image.done_mask if image else 0, code))
        if image is None:
            return []
        return [
            PictureAborted(
                session=self.session, picture_id=number, code=code, reason=code.text, received=image.received
            )
        ]

    def _is_full(self, announced: int) -> bool:
        return bool(self._open) and (
            len(self._open) >= self._limits.open_pictures or self.held + announced > self._limits.peer_bytes
        )

    def _is_flooded(self, announced: int, now: float) -> bool:
        """Whether a peer offers faster than a well-behaved one ever does."""
        return (
            self._is_full(announced) and len(self._evicted) == self._limits.evictions and now - self._evicted[0] < 1.0
        )

    def _make_room(self, announced: int, now: float) -> list[ReceiverEvent]:
        events: list[ReceiverEvent] = []
        while self._is_full(announced):
            self._evicted.append(now)
            events += self._fail(next(iter(self._open)), Code.EVICTED)
        return events

    def _remember(self, number: int, finished: _Finished) -> None:
        self._open.pop(number, None)
        self._early.pop(number, None)
        self._finished[number] = finished
        while len(self._finished) > self._limits.remembered:
            self._finished.popitem(last=False)
