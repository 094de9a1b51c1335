"""The link of one run: its two clocks, shared by all senders, and the record of what passes."""

import random
from functools import partial

from evaluation.simulation.links.clock import DirectionClock
from evaluation.simulation.links.model import SimulatedLink
from evaluation.simulation.transmission.carriers import Carrier, TcpCarrier
from evaluation.simulation.transmission.events import RunRecord
from evaluation.simulation.transmission.passages import PassageRecord
from evaluation.simulation.transmission.path import DatagramLane, EndOptions, SimulatedTransport, TcpLane
from evaluation.simulation.transmission.tcp.connection import TcpEnd, TcpOptions
from protocol.transports.websocket.transport import SEGMENT_BYTES


class Channel:
    """A link with its record.

    Args:
        link: the link.
        carrier: the transport over it.
        seed: of everything random on the link.
        record: takes up what passes.
    """

    def __init__(self, link: SimulatedLink, carrier: Carrier, seed: int, record: RunRecord) -> None:
        self._link, self._carrier, self._record = link, carrier, record
        self._rng = random.Random(f"bits {seed}")
        # Random numbers of a direction do not depend on what the other one carries.
        self._there = DirectionClock(link.there, rng=random.Random(f"there {seed}"))
        self._back = DirectionClock(link.back, rng=random.Random(f"back {seed}"))

    def connect(self, pictures: dict[int, int], *, rate_hint: float) -> tuple[SimulatedTransport, SimulatedTransport]:
        """Return both ends of a new connection: the sender's and the receiver's.

        Args:
            pictures: the picture index of each picture number, for the record.
            rate_hint: the rate that the modem reports to the sender, in bit/s; 0 if unknown.
        """
        record = PassageRecord(self._record, self._link, pictures)
        options = EndOptions(carrier=self._carrier, mtu=self._link.mtu, rate_hint=rate_hint)
        if self._carrier.tcp is not None:
            there, back = self._tcp_lanes(self._carrier.tcp, record)
            return SimulatedTransport(there, back, options), SimulatedTransport(back, there, options)
        overhead = self._carrier.overhead
        out = DatagramLane(self._there, overhead, record.of_packets(overhead, outward=True), self._rng)
        into = DatagramLane(self._back, overhead, record.of_packets(overhead, outward=False), self._rng)
        return SimulatedTransport(out, into, options), SimulatedTransport(into, out, options)

    def _tcp_lanes(self, tcp: TcpCarrier, record: PassageRecord) -> tuple[TcpLane, TcpLane]:
        link = self._link
        # A modem's packets hold a packet of ours with its framing.
        most = min(tcp.segment, link.mtu + tcp.framing(link.mtu, True))
        round_trip = link.there.delay + link.back.delay
        round_trip += sum(8 * SEGMENT_BYTES / way.rate for way in (link.there, link.back) if way.rate)
        lanes = TcpLane(), TcpLane()
        for lane, other, clock in ((lanes[0], lanes[1], self._there), (lanes[1], lanes[0], self._back)):
            outward = clock is self._there
            options = TcpOptions(most=most, round_trip=round_trip, framing=partial(_framing, tcp, outward))
            lane.end = TcpEnd(clock, options, record.of_segments(outward=outward), other.arrive)
        lanes[0].end.other, lanes[1].end.other = lanes[1].end, lanes[0].end
        return lanes


def _framing(tcp: TcpCarrier, outward: bool, size: int) -> int:
    return tcp.framing(size, outward)
