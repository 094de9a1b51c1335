"""One direction of an emulated link: packets leave one after the other, travel, and sometimes do not arrive."""

import asyncio
import heapq
import itertools
import random

from protocol.link_profiles import LinkProfile

#: Bytes that an emulated link holds before a sender has to wait: what a socket and a modem hold together. What came and
#: was not read yet counts, too.
LINK_BUFFER = 256 * 1024


class LinkClock:
    """When packets arrive over a link, and whether they do. Pure: time is passed in, chance is seeded.

    Args:
        link: the link's rate, delay and loss.
        duplicate: the share of packets that arrive twice, 0 to 1.
        jitter: how much longer a packet may travel at random, in seconds; lets packets overtake each other.
        rng: the source of chance.
    """

    def __init__(self, link: LinkProfile, *, rng: random.Random, duplicate: float = 0.0, jitter: float = 0.0) -> None:
        self._link = link
        self._duplicate = duplicate
        self._jitter = jitter
        self._rng = rng
        self._free_at = 0.0

    def arrivals(self, size: int, now: float) -> list[float]:
        """When a packet of `size` bytes that is handed over now arrives: never, once, or twice; in seconds."""
        start = max(now, self._free_at)
        self._free_at = start + (8 * size / self._link.rate if self._link.rate else 0.0)
        if self._rng.random() < self._link.loss:
            return []
        copies = 2 if self._rng.random() < self._duplicate else 1
        return [self._free_at + self._link.delay + self._rng.random() * self._jitter for _ in range(copies)]


class EmulatedPath:
    """One direction of a link in the event loop's time. What was put in comes out of `get` when it arrives."""

    def __init__(self, clock: LinkClock) -> None:
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._arrived: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._room = asyncio.Event()
        # Timers of one moment fire in any order; the heap keeps packets of one moment in theirs.
        self._travelling: list[tuple[float, int, bytes | None]] = []
        self._turn = itertools.count()
        self._held = 0
        self._last_arrival = 0.0
        self.closed = False

    async def put(self, packet: bytes) -> None:
        """Hand a packet to the link; waits while the link's buffer is full."""
        while self._held + len(packet) > LINK_BUFFER:
            self._room.clear()
            await self._room.wait()
        for arrival in self._clock.arrivals(len(packet), self._loop.time()):
            self._held += len(packet)
            self._last_arrival = max(self._last_arrival, arrival)
            self._travel(arrival, packet)

    async def get(self) -> bytes | None:
        """The next packet that arrives; None once the path is closed and empty."""
        packet = await self._arrived.get()
        if packet is None:
            self._arrived.put_nowait(None)
            return None
        self._held -= len(packet)
        self._room.set()
        return packet

    def close(self) -> None:
        """Nothing more is put in; what travels still arrives."""
        if not self.closed:
            self.closed = True
            self._travel(max(self._last_arrival, self._loop.time()), None)

    def _travel(self, arrival: float, packet: bytes | None) -> None:
        heapq.heappush(self._travelling, (arrival, next(self._turn), packet))
        self._loop.call_at(arrival, self._arrive)

    def _arrive(self) -> None:
        _, _, packet = heapq.heappop(self._travelling)
        self._arrived.put_nowait(packet)
