"""The two directions of a connection over a simulated link, and the transport over them."""

import asyncio
import random
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from evaluation.simulation.links.clock import DirectionClock, Fate, Passage
from evaluation.simulation.transmission.carriers import Carrier
from evaluation.simulation.transmission.tcp.connection import TcpEnd
from layercast_common.errors import DisconnectedError
from protocol.transports.base import Transport

#: Called with every packet that was put on the link, and its passage.
OnPassage = Callable[[bytes, Passage], None]


class Lane(ABC):
    """One direction of a connection: `put` sends, `get` returns what arrives.

    Attributes:
        closed: whether it is closed.
        unacknowledged: bytes that the transport holds for it, as far as it knows.
    """

    def __init__(self) -> None:
        self.closed = False
        self._arrived: asyncio.Queue[bytes | None] = asyncio.Queue()

    @abstractmethod
    def put(self, packet: bytes) -> None:
        """Send a packet; it never blocks."""

    @property
    def unacknowledged(self) -> int:
        """See the class."""
        return 0

    def arrive(self, packet: bytes) -> None:
        """Take up a packet that has arrived."""
        if not self.closed:
            self._arrived.put_nowait(packet)

    async def get(self) -> bytes | None:
        """Return the next packet that arrives; None once the lane is closed."""
        packet = await self._arrived.get()
        if packet is None:
            self._arrived.put_nowait(None)
        return packet

    def close(self) -> None:
        """Close the lane. What is in transit is lost."""
        if not self.closed:
            self.closed = True
            self._arrived.put_nowait(None)


class DatagramLane(Lane):
    """Puts packets on the link as they are.

    Args:
        clock: computes the passages; several lanes may share it.
        overhead: bytes that the carrier adds to every packet.
        on_passage: observes packets.
        rng: chooses the bits that are flipped.
    """

    def __init__(self, clock: DirectionClock, overhead: int, on_passage: OnPassage, rng: random.Random) -> None:
        super().__init__()
        self._clock, self._overhead, self._on_passage, self._rng = clock, overhead, on_passage, rng
        self._loop = asyncio.get_running_loop()

    def put(self, packet: bytes) -> None:
        """See `Lane.put`."""
        if self.closed:
            return
        passage = self._clock.passage(len(packet) + self._overhead, self._loop.time())
        self._on_passage(packet, passage)
        if passage.fate is Fate.CORRUPTED:
            place = self._rng.randrange(8 * len(packet))
            damaged = bytearray(packet)
            damaged[place // 8] ^= 1 << place % 8
            packet = bytes(damaged)
        for arrival in passage.arrivals:
            if arrival != float("inf"):
                self._loop.call_at(arrival, self.arrive, packet)


class TcpLane(Lane):
    """Sends packets as messages of one end of a TCP connection."""

    end: TcpEnd

    @property
    def unacknowledged(self) -> int:
        """See `Lane`."""
        return self.end.unacknowledged

    def put(self, packet: bytes) -> None:
        """See `Lane.put`."""
        self.end.send(packet)

    def close(self) -> None:
        """See `Lane.close`."""
        super().close()
        self.end.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class EndOptions:
    """What both ends of a connection have in common.

    Attributes:
        carrier: the transport that is emulated.
        mtu: the largest packet, in bytes.
        rate_hint: the rate as the modem reports it, in bit/s; 0 if unknown.
    """

    carrier: Carrier
    mtu: int
    rate_hint: float


class SimulatedTransport(Transport):
    """One end of a simulated link.

    Args:
        out: carries the packets of this end.
        into: carries those of the other end.
        options: what both ends have in common.
    """

    def __init__(self, out: Lane, into: Lane, options: EndOptions) -> None:
        self.mtu = options.mtu
        self.reliable = self.ordered = options.carrier.reliable
        self.overhead = options.carrier.accounted
        self.rate_hint = options.rate_hint
        self.peer = "simulation"
        self._out, self._into = out, into

    async def send(self, packet: bytes) -> None:
        """See `Transport.send`."""
        self.check_size(packet)
        if self._out.closed:
            raise DisconnectedError("the simulated link is cut")
        self._out.put(packet)

    @property
    def backlog(self) -> int:
        """See `Transport.backlog`."""
        return self._out.unacknowledged

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
