"""The packets that were sent and not yet accounted for: what is in flight, and what is lost.

Loss is found as in RFC 9002 section 6: a packet is lost when three later ones arrived, or one later one and an eighth
more than a round trip has passed. When nothing at all comes back, the oldest is taken as lost after a while, and the
while doubles. On a reliable link nothing is ever lost, only late, and repeating it would make it later still.
"""

from dataclasses import dataclass

from layercast_common.errors import RemoteProtocolError
from protocol.recovery.ack_ranges import acknowledged, quiet_seconds
from protocol.recovery.pacing import Pacer, RttEstimator
from protocol.wire.codes import Code
from protocol.wire.packets import Ack

#: So many later packets that arrived tell that one did not.
REORDER_PACKETS = 3

#: How many round trips after a later packet arrived an earlier one is lost.
REORDER_ROUND_TRIPS = 1.25

#: The longest wait before asking a silent link again, in seconds; a fraction of the silence that ends a connection.
LONGEST_WAIT = 20.0

#: A delivery that took so many round trips was held up by the link's rate, not by its length.
QUEUED_ROUND_TRIPS = 3

#: Lost packets that are still recognised when they turn out to be only late.
LATE_PACKETS = 256

#: Packets whose fate tells the loss of the link, and the fewest that tell anything.
LOSS_PACKETS = 64
LEAST_LOSS_PACKETS = 16


@dataclass(frozen=True, slots=True)
class SentPacket:
    """A packet that left.

    Attributes:
        number: its packet number.
        size: its bytes on the wire.
        at: when it left, in seconds.
        image, section, fragment: what it carried; section `scheduler.OFFER`, `CANCEL` or `REPAIR` for those packets.
        delivered, delivered_at: bytes acknowledged before it left, and when the last of them was.
        behind: whether others waited behind it; if not, its delivery measures us and not the link.
        answered: whether the link was full of packets when it left: the first of an idle link's had come back.
    """

    number: int
    size: int
    at: float
    image: int
    section: int
    fragment: int
    delivered: int
    delivered_at: float
    behind: bool
    answered: bool


class LossDetector:
    """What is in flight on one connection."""

    def __init__(self, *, reliable: bool, round_trip: RttEstimator, pace: Pacer) -> None:
        self._reliable = reliable
        self._round_trip = round_trip
        self._pace = pace
        self._flying: dict[int, SentPacket] = {}
        self._late: dict[int, SentPacket] = {}
        self._last = 0
        self._largest = 0
        self._delivered = 0
        self._delivered_at = 0.0
        self._last_sent_at = 0.0
        self._waits = 0
        self._answered = False
        self._fates = 0
        self._loss = 0.0
        self.in_flight = 0
        #: Bytes of the largest packet so far.
        self.biggest = 0
        #: When what is not in flight any more had arrived and was known here, or an idle link got work; in seconds.
        self.seen_at = 0.0
        #: Packets that left, and those that were taken as lost.
        self.packets_sent = 0
        self.packets_lost = 0

    @property
    def loss(self) -> float | None:
        """The share of packets lost lately, 0 to 1; None while it is not known."""
        return self._loss if self._fates >= LEAST_LOSS_PACKETS else None

    @property
    def unanswered(self) -> list[SentPacket]:
        """What is in flight."""
        return list(self._flying.values())

    @property
    def next_number(self) -> int:
        """The number that the next packet bears."""
        return self._last + 1

    def send(self, size: int, now: float, *, image: int, section: int, fragment: int, more: bool) -> None:
        """Note that the packet `next_number` leaves; `more` tells whether others wait behind it."""
        if not self._flying:
            self._delivered_at = self.seen_at = now
            self._answered = False
        self._last += 1
        self.packets_sent += 1
        self._last_sent_at = now
        self.in_flight += size
        self.biggest = max(self.biggest, size)
        self._flying[self._last] = SentPacket(
            self._last,
            size,
            now,
            image,
            section,
            fragment,
            self._delivered,
            self._delivered_at,
            more,
            self._answered,
        )

    def forget(self) -> None:
        """Note that nobody will ever tell what became of the packets in flight."""
        self._flying.clear()
        self.in_flight = 0

    def acknowledge(self, ack: Ack, now: float) -> list[SentPacket]:
        """The packets that an ACK tells of for the first time.

        Raises:
            RemoteProtocolError: it acknowledges a packet that was never sent.
        """
        if ack.largest > self._last:
            raise RemoteProtocolError("the peer acknowledged a packet that was never sent", Code.PROTOCOL)
        known = (self._flying.get(n) or self._late.get(n) for n in acknowledged(ack.largest, ack.missing))
        arrived = [sent for sent in known if sent is not None]
        if not arrived:
            return []
        newest = arrived[0]
        # When an ACK that was not held back would have come.
        came_at = now
        if newest.number == ack.largest:
            waited = ack.delay / 1000
            came_at -= waited if waited < now - newest.at else 0.0
            self._round_trip.add(came_at - newest.at, now)
            self.seen_at = max(self.seen_at, came_at)
        for sent in arrived:
            if self._flying.pop(sent.number, None):
                self.in_flight -= sent.size
                self._note_fate(lost=False)
            self._late.pop(sent.number, None)
            self._delivered += sent.size
        elapsed = came_at - newest.delivered_at
        if elapsed > 0:
            queued = elapsed >= QUEUED_ROUND_TRIPS * self._round_trip.least
            rate = 8 * (self._delivered - newest.delivered) / elapsed
            saturated = newest.behind and (newest.answered or queued)
            self._pace.sample(rate, now, self._round_trip.least, saturated=saturated)
        self._delivered_at = came_at
        self._largest = max(self._largest, ack.largest)
        self._waits = 0
        self._answered = True
        return arrived

    def lost(self, now: float) -> list[SentPacket]:
        """The packets to give up now; each is told once, and leaves the flight."""
        if self._reliable or not self._flying:
            return []
        lost = [sent for sent in self._flying.values() if self._is_lost(sent, now)]
        if not lost and now >= self._asks_at():
            self._waits += 1
            self._last_sent_at = now
            lost = [next(iter(self._flying.values()))]
        for sent in lost:
            del self._flying[sent.number]
            self.in_flight -= sent.size
            self.packets_lost += 1
            self._note_fate(lost=True)
            self._late[sent.number] = sent
        while len(self._late) > LATE_PACKETS:
            del self._late[next(iter(self._late))]
        return lost

    def next_timer(self) -> float | None:
        """When `lost` could tell something new though nothing arrives, in seconds; None for never."""
        if self._reliable or not self._flying:
            return None
        overtaken = (sent.at + self._overtime() for sent in self._flying.values() if sent.number < self._largest)
        return min(self._asks_at(), min(overtaken, default=self._asks_at()))

    def _note_fate(self, *, lost: bool) -> None:
        self._fates += 1
        self._loss += (lost - self._loss) / min(self._fates, LOSS_PACKETS)

    def _is_lost(self, sent: SentPacket, now: float) -> bool:
        if sent.number >= self._largest:
            return False
        return self._largest - sent.number >= REORDER_PACKETS or now >= sent.at + self._overtime()

    def _overtime(self) -> float:
        return REORDER_ROUND_TRIPS * max(self._round_trip.smoothed, self._round_trip.latest)

    def _asks_at(self) -> float:
        held_back = quiet_seconds(self.biggest, self._pace.told)
        wait = (self._round_trip.patience + held_back) * 2.0 ** min(self._waits, 16)
        return self._last_sent_at + min(wait, LONGEST_WAIT)
