"""A sender's way to the receiver: how fast, how far, how lossy, and what of it is in use."""

import functools
import math

from protocol.recovery import window as windows
from protocol.recovery.ack_ranges import ACK_BYTES, ACK_PACKETS
from protocol.recovery.fec_policy import Feedback, wanted_repairs
from protocol.recovery.loss_detection import LossDetector
from protocol.recovery.pacing import BURST_SECONDS, Pacer, RttEstimator

#: The round trip assumed of a link that nobody told us anything of, in seconds.
ASSUMED_ROUND_TRIP = 1.0

#: How much more than a single ACK tells of may be taken to have arrived unheard: its way back takes time, too.
HEARING = 1.25

#: How often to look, while a packet would leave, whether a transport has got rid of what it holds.
LOOKS = 10


class NetworkPath:
    """One link, from when its transport opens until it is gone.

    Args:
        rate: in bit/s; 0 if unknown.
        mtu: the largest packet, in bytes.
        check: bytes of the check behind every packet.
        overhead: what a packet costs beside itself, in bytes.
        reliable: whether it loses nothing.
        one_way: whether nothing ever comes back.
    """

    def __init__(self, *, rate: float, mtu: int, check: int, overhead: int, reliable: bool, one_way: bool) -> None:
        self.mtu = mtu
        self.check = check
        self._overhead = overhead
        self.one_way = one_way
        self.repairs = one_way or not reliable
        self.round_trip = RttEstimator(ASSUMED_ROUND_TRIP)
        self.pace = Pacer(rate, always=one_way)
        self.ledger = LossDetector(reliable=reliable or one_way, round_trip=self.round_trip, pace=self.pace)
        self._reliable = reliable

    @property
    def packet_size(self) -> int:
        """The size that a packet should have, in bytes, if it is not of a large picture."""
        return windows.packet_size(self.pace.rate, self.mtu)

    def packet_for(self, picture: int) -> int:
        """The size that the packets of a picture of so many bytes should have, in bytes."""
        # What is only assumed of a link is no reason to stand in its way for long.
        overhead = self._overhead if self.pace.known else 0
        return windows.packet_size(self.pace.rate, self.mtu, overhead, picture)

    @property
    def window(self) -> int:
        """The most bytes that may be in flight now, in packets of `packet_size`."""
        packet = self.packet_size
        return min(windows.MAX_WINDOW, self._on_the_way(packet) + self._unheard(self._largest(packet)))

    def room_at(self, size: int, fragment: int, backlog: int, now: float) -> float:
        """When a packet may leave as far as those on their way go, in seconds; infinite if only an ACK helps.

        Args:
            size: its bytes.
            fragment: bytes of the packets that its picture was cut to.
            backlog: bytes that the transport still holds.
            now: the present, in seconds.
        """
        if self.one_way:
            return -math.inf
        packet = max(self.packet_size, fragment)
        limit = self._on_the_way(packet)
        # What is on its way may be of larger pictures.
        packet = self._largest(packet)
        speed = self.pace.rate if self._queues(packet) else self.pace.speed
        if backlog and backlog + size > limit + packet:
            # The link does not go on as we think, whatever we have not heard yet.
            return now + max(BURST_SECONDS, 8 * packet / speed / LOOKS)
        most = self._unheard(packet)
        return self.ledger.seen_at + windows.wait_for_room(self.ledger.in_flight, size, limit, speed=speed, most=most)

    def sent(self, size: int, now: float, *, image: int, section: int, fragment: int, more: bool) -> None:
        """Note that a packet left; as `LossDetector.send`."""
        self.ledger.send(size, now, image=image, section=section, fragment=fragment, more=more)
        if self.one_way:
            self.ledger.forget()
        self.pace.sent(size, now)

    def plan(self, fragments: int, urgency: int, packets: int) -> int:
        """How many repair packets a group of a section deserves now, in a picture of so many packets."""
        loss = 0.0 if self._reliable else self.ledger.loss
        round_trip = None if self.one_way else self.round_trip.least
        feedback = Feedback.of(round_trip, 8 * self.packet_size / self.pace.rate, packets)
        # Loss is never known better than to a percent; rounded, the answer is worth keeping.
        return _repairs(fragments, urgency, None if loss is None else math.ceil(100 * loss), feedback)

    def _queues(self, packet: int) -> bool:
        """Whether packets had to wait for each other lately: no time to try a faster speed."""
        return self.round_trip.latest > self.round_trip.least + 8 * packet / self.pace.rate

    def _largest(self, packet: int) -> int:
        """Bytes of the largest packet there was, or will be."""
        return max(packet, self.ledger.biggest)

    def _on_the_way(self, packet: int) -> int:
        """Bytes that may be on their way."""
        window = windows.window(self.pace.rate, self.round_trip.least, packet)
        # Enough for a receiver to answer before it wonders where the rest is, for that tells the rate.
        return window if self.pace.known else max(window, ACK_PACKETS * packet)

    def _unheard(self, packet: int) -> int:
        """Bytes that may have arrived since the last ACK at most: somewhat more than the next one will tell of."""
        return int(HEARING * max(ACK_PACKETS * packet, ACK_BYTES)) if self.pace.known else 0


@functools.lru_cache(maxsize=1024)
def _repairs(fragments: int, urgency: int, percent: int | None, feedback: Feedback) -> int:
    loss = None if percent is None else min(percent / 100, 0.99)
    return wanted_repairs(fragments, urgency, loss=loss, feedback=feedback)
