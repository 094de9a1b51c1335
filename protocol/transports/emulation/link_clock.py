"""One direction of an emulated link: packets are serialised at its rate, delayed, and sometimes lost."""

import asyncio
import heapq
import itertools
import random

from protocol.link_profiles import LinkProfile

#: Bytes that an emulated link holds before `put` blocks: about the buffers of a socket and a modem. Arrived packets
#: that were not read count, too.
LINK_BUFFER = 256 * 1024


class LinkClock:
    """The arrival times of packets over a link. Pure: time is passed in, and randomness is seeded.

    Args:
        link: the link's rate, delay and loss.
        rng: the random source.
        duplicate: the share of packets that arrive twice, 0 to 1.
        jitter: the largest random extra delay, in seconds; it reorders packets.
    """

    def __init__(self, link: LinkProfile, *, rng: random.Random, duplicate: float = 0.0, jitter: float = 0.0) -> None:
        self._link = link
        self._duplicate = duplicate
        self._jitter = jitter
        self._rng = rng
        self._free_at = 0.0

    def arrivals(self, size: int, now: float) -> list[float]:
        """Return when a packet of `size` bytes sent now arrives, in seconds: no time, one, or two."""
        start = max(now, self._free_at)
        self._free_at = start + (8 * size / self._link.rate if self._link.rate else 0.0)
        if self._rng.random() < self._link.loss:
            return []
        copies = 2 if self._rng.random() < self._duplicate else 1
        return [self._free_at + self._link.delay + self._rng.random() * self._jitter for _ in range(copies)]


class EmulatedPath:
    """One direction of a link in the event loop's time: `get` returns each packet when it arrives.

    Args:
        clock: computes the arrival times.

    Attributes:
        closed: whether `close` was called.
    """

    def __init__(self, clock: LinkClock) -> None:
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._arrived: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._room = asyncio.Event()
        # Timers of one moment fire in any order; the heap keeps packets of one moment in order.
        self._travelling: list[tuple[float, int, bytes | None]] = []
        self._sequence = itertools.count()
        self._held = 0
        self._last_arrival = 0.0
        self.closed = False

    async def put(self, packet: bytes) -> None:
        """Send a packet; blocks while the link's buffer is full."""
        while self._held + len(packet) > LINK_BUFFER:
            self._room.clear()
            await self._room.wait()
        for arrival in self._clock.arrivals(len(packet), self._loop.time()):
            self._held += len(packet)
            self._last_arrival = max(self._last_arrival, arrival)
            self._schedule(arrival, packet)

    async def get(self) -> bytes | None:
        """Return the next packet that arrives; None once the path is closed and empty."""
        packet = await self._arrived.get()
        if packet is None:
            self._arrived.put_nowait(None)
            return None
        self._held -= len(packet)
        self._room.set()
        return packet

    def close(self) -> None:
        """Accept no more packets; those in transit still arrive."""
        if not self.closed:
            self.closed = True
            self._schedule(max(self._last_arrival, self._loop.time()), None)

    def _schedule(self, arrival: float, packet: bytes | None) -> None:
        heapq.heappush(self._travelling, (arrival, next(self._sequence), packet))
        self._loop.call_at(arrival, self._arrive)

    def _arrive(self) -> None:
        _, _, packet = heapq.heappop(self._travelling)
        self._arrived.put_nowait(packet)
