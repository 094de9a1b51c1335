"""One end of a TCP connection over a simulated link, which carries messages to the other end."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from evaluation.simulation.links.clock import DirectionClock, Fate, Passage
from evaluation.simulation.transmission.tcp.acknowledging import Acknowledger
from evaluation.simulation.transmission.tcp.sending import Segment, StreamSender
from protocol.transports.websocket.transport import SEGMENT_BYTES

#: Bytes of the option that reports ranges beyond a gap, or a range that arrived twice (RFC 2018, RFC 2883).
SACK_BYTES = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentOnLink:
    """What an end puts on the link.

    Attributes:
        packets: the messages whose last byte it carries.
        size: its size with all headers, in bytes.
        data: bytes of the stream in it.
        again: whether it is a repetition.
    """

    packets: tuple[bytes, ...]
    size: int
    data: int
    again: bool


#: Called with every segment that an end puts on the link, and its passage.
OnSegment = Callable[[SegmentOnLink, Passage], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpOptions:
    """How a connection works.

    Attributes:
        most: the largest segment, in bytes.
        round_trip: of its handshake, in seconds.
        framing: returns the bytes that a message of a size adds to the stream.
    """

    most: int
    round_trip: float
    framing: Callable[[int], int]


class TcpEnd:
    """One end. Set `other` of both ends before anything is sent.

    Args:
        clock: the direction in which this end sends.
        options: how the connection works.
        on_segment: observes what this end puts on the link.
        on_message: receives the messages of the other end, in order.
    """

    def __init__(
        self,
        clock: DirectionClock,
        options: TcpOptions,
        on_segment: OnSegment,
        on_message: Callable[[bytes], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._clock, self._options = clock, options
        self._on_segment, self._on_message = on_segment, on_message
        self._sender = StreamSender(most=options.most, round_trip=options.round_trip, transmit=self._transmit)
        self._acknowledger = Acknowledger(self._acknowledge)
        # Messages that the other end does not have, with the place in the stream at which each ends.
        self._written = 0
        self._messages: deque[tuple[int, bytes]] = deque()
        self._received = 0
        self._beyond: list[tuple[int, int]] = []
        self._twice = False
        self._closed = False
        #: The other end; set before anything is sent.
        self.other: TcpEnd | None = None

    @property
    def unacknowledged(self) -> int:
        """Bytes that this end has written and the other one has not acknowledged."""
        return self._sender.unacknowledged

    def send(self, message: bytes) -> None:
        """Send a message; it never blocks."""
        size = len(message) + self._options.framing(len(message))
        self._written += size
        self._messages.append((self._written, message))
        self._sender.write(size)

    def close(self) -> None:
        """Stop at once. What is in transit is lost."""
        self._closed = True
        self._sender.close()
        self._acknowledger.close()

    def _transmit(self, segment: Segment) -> float:
        self._acknowledger.on_departure()
        packets = tuple(message for end, message in self._messages if segment.start < end <= segment.end)
        on_link = SegmentOnLink(
            packets=packets, size=segment.size + SEGMENT_BYTES, data=segment.size, again=segment.again
        )
        return self._put(on_link, (segment.start, segment.end))

    def _acknowledge(self) -> None:
        extra = SACK_BYTES if self._beyond or self._twice else 0
        self._twice = False
        self._put(SegmentOnLink(packets=(), size=SEGMENT_BYTES + extra, data=0, again=False), None)

    def _put(self, segment: SegmentOnLink, span: tuple[int, int] | None) -> float:
        """Put a segment on the link; return when it has left."""
        passage = self._clock.passage(segment.size, self._loop.time())
        self._on_segment(segment, passage)
        # TCP drops a segment with a wrong checksum.
        if passage.fate is Fate.ARRIVED and passage.end != float("inf") and self.other is not None:
            for at in passage.arrivals:
                self._loop.call_at(at, self.other.arrive, span, self._received, tuple(self._beyond))
        return passage.end

    def arrive(self, span: tuple[int, int] | None, upto: int, beyond: Sequence[tuple[int, int]]) -> None:
        """Take up a segment of the other end.

        Args:
            span: the bytes of the stream that it carries; None for none.
            upto: bytes that the other end had received without a gap.
            beyond: ranges beyond that it had received.
        """
        if self._closed:
            return
        self._sender.on_acknowledgement(upto, beyond)
        if span is None:
            return
        start, end = span
        if end <= self._received:
            self._twice = True
            self._acknowledger.on_disorder()
            return
        if start > self._received:
            self._beyond = _joined([*self._beyond, span])
            self._acknowledger.on_disorder()
            return
        filled = bool(self._beyond)
        self._received = end
        for first, last in self._beyond:
            self._received = max(self._received, last) if first <= self._received else self._received
        self._beyond = [one for one in self._beyond if one[1] > self._received]
        if filled:
            self._acknowledger.on_disorder()
        else:
            self._acknowledger.on_arrival()

        for message in self.other.delivered(self._received) if self.other is not None else ():
            self._on_message(message)

    def delivered(self, upto: int) -> list[bytes]:
        """Return the messages of this end that end by a place in the stream, and forget them."""
        found = []
        while self._messages and self._messages[0][0] <= upto:
            found.append(self._messages.popleft()[1])
        return found


def _joined(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return overlapping and adjoining ranges as one."""
    found: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], end)
        else:
            found.append((start, end))
    return found
