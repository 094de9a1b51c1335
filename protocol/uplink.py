"""A sender's way to the receiver: how fast, how far, how lossy, and what of it is in use."""

import functools
import math

from protocol import scheduler
from protocol.ledger import Ledger
from protocol.pace import Pace, RoundTrip
from protocol.protection import Feedback, wanted_repairs

#: The round trip assumed of a link that nobody told us anything of, in seconds.
ASSUMED_ROUND_TRIP = 1.0


class Uplink:
    """One link, from when its transport opens until it is gone.

    Args:
        rate: in bit/s; 0 if unknown.
        mtu: the largest packet, in bytes.
        check: bytes of the check behind every packet.
        reliable: whether it loses nothing.
        one_way: whether nothing ever comes back.
    """

    def __init__(self, *, rate: float, mtu: int, check: int, reliable: bool, one_way: bool) -> None:
        self.mtu = mtu
        self.check = check
        self.one_way = one_way
        self.repairs = one_way or not reliable
        self.round_trip = RoundTrip(ASSUMED_ROUND_TRIP)
        self.pace = Pace(rate, always=one_way)
        self.ledger = Ledger(reliable=reliable or one_way, round_trip=self.round_trip, pace=self.pace)
        self._reliable = reliable

    @property
    def packet_size(self) -> int:
        """The size that a packet should have, in bytes."""
        return scheduler.packet_size(self.pace.rate, self.mtu)

    @property
    def window(self) -> int:
        """The most bytes that may be in flight now."""
        return scheduler.window(self.pace.rate, self.round_trip.least, self.packet_size)

    def admits(self, size: int, fragment: int) -> bool:
        """Whether a packet may leave as far as those in flight go.

        Args:
            size: its bytes.
            fragment: bytes of the packets that its picture was cut to, when the link may have seemed a faster one.
        """
        packet = max(self.packet_size, fragment)
        window = scheduler.window(self.pace.rate, self.round_trip.least, packet)
        return self.one_way or scheduler.admits(self.ledger.in_flight, size, window)

    def sent(self, size: int, now: float, *, image: int, section: int, fragment: int, more: bool) -> None:
        """Note that a packet left; as `Ledger.send`."""
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


@functools.lru_cache(maxsize=1024)
def _repairs(fragments: int, urgency: int, percent: int | None, feedback: Feedback) -> int:
    loss = None if percent is None else min(percent / 100, 0.99)
    return wanted_repairs(fragments, urgency, loss=loss, feedback=feedback)
