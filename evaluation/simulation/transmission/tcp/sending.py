"""The sending half of a TCP connection: what becomes a segment when, what is repeated when.

Follows Linux where slow links notice it: small writes wait while the interface holds data and leave together
(autocorking), the interface gets two segments at a time (TCP small queues), losses are found by time (RACK, RFC 8985),
a probe precedes the timeout (TLP). The congestion window only starts slowly: the protocol above keeps far below it.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from evaluation.simulation.transmission.tcp.round_trips import LEAST_MARGIN, RoundTrips

#: Segments of the first window (RFC 6928), and by how much a loss shrinks it (RFC 9438).
FIRST_WINDOW, SHRINK = 10, 0.7

#: Memory that the kernel counts for a small segment beyond its data, in bytes: what the queue limits compare.
_BOOKKEEPING = 1024

#: Held later segments from which on a missing one is lost without further waiting (RFC 8985).
_REORDERING = 3

#: The most doublings of the timeout.
_MOST_BACKOFF = 10


@dataclass(slots=True, eq=False)
class Segment:
    """Bytes of the stream that travel together.

    Attributes:
        start, end: their place in the stream.
        sent_at: when they were handed to the interface, in seconds.
        again: whether they were repeated.
        held: whether the other end has them.
        lost: whether they are to be repeated.
    """

    start: int
    end: int
    sent_at: float = 0.0
    again: bool = False
    held: bool = False
    lost: bool = False

    @property
    def size(self) -> int:
        """The number of bytes."""
        return self.end - self.start


class StreamSender:
    """Turns written bytes into segments until all of them are acknowledged.

    Args:
        most: the largest segment, in bytes.
        round_trip: of the handshake, in seconds.
        transmit: puts a segment on the link, and returns when it has left the interface, in seconds.
    """

    def __init__(self, *, most: int, round_trip: float, transmit: Callable[[Segment], float]) -> None:
        self._loop = asyncio.get_running_loop()
        self._most, self._transmit = most, transmit
        self._trips = RoundTrips(round_trip)
        self._written = self._sent = self._acknowledged = 0
        self._flight: list[Segment] = []
        # Sizes in the interface's queue, in order.
        self._interface: list[int] = []
        self._window, self._recover = float(FIRST_WINDOW), 0
        # When the last segment that is known to be held was sent.
        self._newest = 0.0
        self._backoff, self._may_probe = 0, True
        self._timer: asyncio.TimerHandle | None = None
        self._patience: asyncio.TimerHandle | None = None

    @property
    def unacknowledged(self) -> int:
        """Bytes written and not acknowledged."""
        return self._written - self._acknowledged

    def write(self, size: int) -> None:
        """Write bytes to the stream."""
        self._written += size
        unsent = min(self._most, self._written - self._sent)
        if self._flight and unsent < self._most and self._queued() > _BOOKKEEPING + unsent:
            # They leave with what is written next, when the interface is free or an acknowledgement comes.
            return
        self._push()

    def on_acknowledgement(self, upto: int, held: Sequence[tuple[int, int]]) -> None:
        """Take up an acknowledgement.

        Args:
            upto: bytes that arrived without a gap.
            held: ranges beyond that arrived (SACK).
        """
        now = self._loop.time()
        advanced = upto > self._acknowledged
        limited = len(self._flight) >= int(self._window)
        self._acknowledged = max(self._acknowledged, upto)
        sample = 0.0
        for segment in self._flight:
            if segment.held or not _covered(segment, upto, held):
                continue
            segment.held, segment.lost = True, False
            self._newest = max(self._newest, segment.sent_at)
            self._window += 1 if limited and upto >= self._recover else 0
            sample = sample if segment.again else now - segment.sent_at
        self._flight = [segment for segment in self._flight if segment.end > upto]
        if sample:
            self._trips.update(sample, acknowledged=upto, sent=self._sent)
        if advanced:
            self._backoff, self._may_probe = 0, True
        self._find_losses()
        self._push()
        if advanced:
            self._arm(now)

    def close(self) -> None:
        """Stop all timers."""
        for timer in (self._timer, self._patience):
            if timer is not None:
                timer.cancel()

    def _push(self) -> None:
        """Send segments as long as window and interface take them: lost ones first."""
        while True:
            lost = next((segment for segment in self._flight if segment.lost), None)
            if lost is not None:
                segment = lost
            elif self._sent < self._written and self._outstanding() < int(self._window):
                segment = Segment(self._sent, min(self._written, self._sent + self._most))
            else:
                return
            if self._queued() > 2 * (_BOOKKEEPING + segment.size) and len(self._flight) > 1:
                return
            self._send(segment)

    def _send(self, segment: Segment) -> None:
        now = self._loop.time()
        if segment.end > self._sent:
            self._sent = segment.end
            self._flight.append(segment)
        else:
            segment.again, segment.lost = True, False
        segment.sent_at = now
        leaves = self._transmit(segment)
        if leaves != float("inf"):
            self._interface.append(segment.size)
            self._loop.call_at(leaves, self._on_departure)
        self._arm(self._flight[0].sent_at)

    def _on_departure(self) -> None:
        self._interface.pop(0)
        self._push()

    def _queued(self) -> int:
        """Return the memory that the interface's queue takes, as the kernel counts it."""
        return 1 + sum(_BOOKKEEPING + size for size in self._interface)

    def _outstanding(self) -> int:
        return sum(not segment.held and not segment.lost for segment in self._flight)

    def _find_losses(self) -> None:
        """Mark segments as lost that left well before one that is held."""
        now, held = self._loop.time(), sum(segment.held for segment in self._flight)
        patience = 0.0 if held >= _REORDERING or self._acknowledged < self._recover else self._trips.least / 4
        due = float("inf")
        for segment in self._flight:
            if segment.held or segment.lost or segment.sent_at >= self._newest:
                continue
            at = segment.sent_at + self._trips.latest + patience
            if at > now:
                due = min(due, at)
                continue
            segment.lost = True
            if self._acknowledged >= self._recover:
                self._window, self._recover = max(2.0, SHRINK * self._window), self._sent
        if self._patience is not None:
            self._patience.cancel()
        self._patience = None if due == float("inf") else self._loop.call_at(due, self._on_patience)

    def _on_patience(self) -> None:
        self._find_losses()
        self._push()

    def _arm(self, since: float) -> None:
        """Set the timer: a probe after two round trips, or the timeout, which counts from `since`."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._flight:
            return
        now = self._loop.time()
        due = max(now, since + self._trips.timeout * 2**self._backoff)
        if self._may_probe and not self._backoff:
            probe = now + 2 * self._trips.smoothed + (LEAST_MARGIN if len(self._flight) == 1 else 0.002)
            self._timer = self._loop.call_at(min(due, probe), self._on_probe)
        else:
            self._timer = self._loop.call_at(due, self._on_timeout)

    def _on_probe(self) -> None:
        """Send something that asks for an acknowledgement: new bytes, or the last segment again."""
        self._may_probe = False
        if self._sent < self._written:
            self._send(Segment(self._sent, min(self._written, self._sent + self._most)))
        elif last := [segment for segment in self._flight if not segment.held]:
            self._send(last[-1])
        self._arm(self._loop.time())

    def _on_timeout(self) -> None:
        """Repeat the first segment; the timeout doubles."""
        self._backoff = min(self._backoff + 1, _MOST_BACKOFF)
        self._window, self._recover = 2.0, self._sent
        if first := next((segment for segment in self._flight if not segment.held), None):
            self._send(first)
        self._arm(self._loop.time())


def _covered(segment: Segment, upto: int, held: Sequence[tuple[int, int]]) -> bool:
    return segment.end <= upto or any(start <= segment.start and segment.end <= end for start, end in held)
