"""One direction of a simulated link in an event loop, and the transport over two of them."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass

from evaluation.simulation.links.clock import DirectionClock, Fate, Passage
from evaluation.simulation.transmission.carriers import LEAST_TIMEOUT, TIMEOUT_ROUND_TRIPS, Carrier
from layercast_common.errors import DisconnectedError
from protocol.transports.base import Transport

#: Called with every packet that was put on the link: the packet, its passage, and whether the carrier repeats it.
OnPassage = Callable[[bytes, Passage, bool], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class PathSettings:
    """How a path treats packets.

    Attributes:
        carrier: the transport.
        timeout: after how long the carrier repeats a lost packet, in seconds.
        on_passage: observes packets.
        on_acknowledged: called when the carrier acknowledges a packet that has arrived.
    """

    carrier: Carrier
    timeout: float
    on_passage: OnPassage
    on_acknowledged: Callable[[], None]


class SimulatedPath:
    """One direction for one sender: `put` sends, `get` returns what arrives. Several may share a clock.

    Args:
        clock: computes the passages.
        options: the carrier, and observers.
        rng: chooses the bits that are flipped.
    """

    def __init__(self, clock: DirectionClock, options: PathSettings, rng: random.Random) -> None:
        self._clock, self._options, self._rng = clock, options, rng
        self._loop = asyncio.get_running_loop()
        self._arrived: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._sent = 0
        self._due = 0
        self._early: dict[int, bytes] = {}
        self.closed = False

    @property
    def now(self) -> float:
        """The event loop's time, in seconds."""
        return self._loop.time()

    def put(self, packet: bytes) -> None:
        """Send a packet; it never blocks."""
        self._transmit(self._sent, packet, again=False)
        self._sent += 1

    async def get(self) -> bytes | None:
        """Return the next packet that arrives; None once the path is closed."""
        packet = await self._arrived.get()
        if packet is None:
            self._arrived.put_nowait(None)
        return packet

    def close(self) -> None:
        """Close the path. What is in transit is lost."""
        if not self.closed:
            self.closed = True
            self._arrived.put_nowait(None)

    def _transmit(self, number: int, packet: bytes, *, again: bool) -> None:
        if self.closed:
            return
        carrier = self._options.carrier
        passage = self._clock.passage(len(packet) + carrier.overhead, self._loop.time())
        self._options.on_passage(packet, passage, again)
        if passage.end == float("inf"):
            return
        if carrier.reliable and passage.fate is not Fate.ARRIVED:
            self._loop.call_at(passage.end + self._options.timeout, self._repeat, number, packet)
            return
        if passage.fate is Fate.CORRUPTED:
            place = self._rng.randrange(8 * len(packet))
            damaged = bytearray(packet)
            damaged[place // 8] ^= 1 << place % 8
            packet = bytes(damaged)
        for arrival in passage.arrivals:
            self._loop.call_at(arrival, self._arrive, number, packet)

    def _repeat(self, number: int, packet: bytes) -> None:
        self._transmit(number, packet, again=True)

    def _arrive(self, number: int, packet: bytes) -> None:
        if self.closed:
            return
        if not self._options.carrier.reliable:
            self._arrived.put_nowait(packet)
            return
        self._options.on_acknowledged()
        self._early[number] = packet
        while self._due in self._early:
            self._arrived.put_nowait(self._early.pop(self._due))
            self._due += 1
        # A duplicate of a packet that was delivered already.
        self._early = {key: value for key, value in self._early.items() if key > self._due}


class SimulatedTransport(Transport):
    """One end of a simulated link.

    Args:
        out: carries the packets of this end.
        into: carries those of the other end.
        carrier: the transport that is emulated.
        mtu: the largest packet, in bytes.
        rate_hint: the rate as the modem reports it, in bit/s; 0 if unknown.
    """

    def __init__(
        self, out: SimulatedPath, into: SimulatedPath, *, carrier: Carrier, mtu: int, rate_hint: float
    ) -> None:
        self.mtu = mtu
        self.reliable = carrier.reliable
        self.ordered = carrier.reliable
        self.overhead = carrier.path_overhead
        self.rate_hint = rate_hint
        self.peer = "simulation"
        self._out, self._into = out, into

    async def send(self, packet: bytes) -> None:
        """See `Transport.send`."""
        self.check_size(packet)
        if self._out.closed:
            raise DisconnectedError("the simulated link is cut")
        self._out.put(packet)

    async def recv(self) -> bytes:
        """See `Transport.recv`."""
        packet = await self._into.get()
        if packet is None:
            raise DisconnectedError("the simulated link is cut")
        return packet

    def cut(self) -> None:
        """Break the link: what is in transit is lost, and both ends see that it has closed."""
        self._out.close()
        self._into.close()

    async def close(self, code: int = 0) -> None:
        """See `Transport.close`."""
        del code
        self.cut()


def carrier_timeout(round_trip: float) -> float:
    """Return after how long a reliable carrier repeats a lost packet, in seconds."""
    return max(LEAST_TIMEOUT, TIMEOUT_ROUND_TRIPS * round_trip)
