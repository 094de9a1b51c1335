"""A TCP proxy that behaves like a simulated link, for any protocol over TCP: WebSockets, HTTP, MQTT.

    sender --socket--> [queue, rate, delay, losses] --socket--> receiver        and back, likewise

Each piece that the proxy reads is a packet of the link. TCP hides losses: a lost packet is repeated after 1.5 round
trips, and later ones wait for it. Packets keep their order. All connections share the link.
"""

import asyncio
import contextlib
import random
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from evaluation.simulation.links.clock import DirectionClock, Fate
from evaluation.simulation.links.model import SimulatedLink
from layercast_common.errors import ConnectError
from layercast_common.http.server import open_socket
from layercast_common.tasks import BackgroundTasks

#: After how long a lost packet is repeated: so many round trips, and at least so many seconds (Linux TCP_RTO_MIN).
REPEAT_ROUND_TRIPS, LEAST_REPEAT = 1.5, 0.2

#: The most repetitions of a packet; a link that loses more is as good as down.
MOST_REPEATS = 64


@dataclass(slots=True)
class LiveCounters:
    """What has passed so far.

    Attributes:
        connections: open connections.
        accepted: connections so far.
        there, back: bytes that arrived in each direction.
        packets: packets on the link, repetitions included.
        lost: packets that were lost and repeated.
    """

    connections: int = 0
    accepted: int = 0
    there: int = 0
    back: int = 0
    packets: int = 0
    lost: int = 0


@dataclass(slots=True, eq=False)
class _Direction:
    clock: DirectionClock
    outward: bool
    last: float = 0.0
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class LiveLink:
    """The proxy. Use it as `async with`.

    Args:
        link: the link; may be replaced while it runs.
        target: host and port of the receiver.
        listen: host and port for senders; port 0 takes a free one.
        seed: of the link's randomness.

    Attributes:
        counters: what has passed.
        port: the port for senders.
    """

    def __init__(self, link: SimulatedLink, *, target: tuple[str, int], listen: tuple[str, int], seed: int = 0) -> None:
        self._link, self._target, self._listen = link, target, listen
        self._tasks = BackgroundTasks("live link")
        self._up = asyncio.Event()
        self._up.set()
        self._there = _Direction(DirectionClock(link.there, rng=random.Random(f"there {seed}")), outward=True)
        self._back = _Direction(DirectionClock(link.back, rng=random.Random(f"back {seed}")), outward=False)
        self._writers: set[asyncio.StreamWriter] = set()
        self.counters = LiveCounters()
        self.port = 0

    async def __aenter__(self) -> Self:
        """Start listening.

        Raises:
            ListenError: the address is in use.
        """
        listener = await open_socket(*self._listen, option="--listen")
        await self._tasks.__aenter__()
        self._server = await asyncio.start_server(self._accept, sock=listener)
        self.port = listener.getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close all connections."""
        self._server.close()
        self.cut()
        await self._tasks.__aexit__(kind, error, trace)

    @property
    def link(self) -> SimulatedLink:
        """The link. A new one applies to packets from now on."""
        return self._link

    @link.setter
    def link(self, link: SimulatedLink) -> None:
        self._link = link
        self._there.clock.direction = link.there
        self._back.clock.direction = link.back

    @property
    def down(self) -> bool:
        """Whether the link carries nothing; packets wait."""
        return not self._up.is_set()

    @down.setter
    def down(self, down: bool) -> None:
        if down:
            self._up.clear()
        else:
            self._up.set()

    def cut(self) -> None:
        """Break all connections, as a link that fails does."""
        for writer in self._writers:
            writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.start(self._serve(reader, writer), name="live connection")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.counters.accepted += 1
        self.counters.connections += 1
        opened = [writer]
        try:
            other_reader, other_writer = await asyncio.open_connection(*self._target)
            opened.append(other_writer)
            self._writers.update(opened)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._carry(reader, other_writer, self._there))
                group.create_task(self._carry(other_reader, writer, self._back))
        except* OSError:
            # One side has gone; the other one sees its connection end.
            pass
        finally:
            self.counters.connections -= 1
            for one in opened:
                self._writers.discard(one)
                one.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: _Direction) -> None:
        """Carry one direction of a connection until its end."""
        travelling: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._deliver(travelling, writer, way))
            while piece := await reader.read(self._link.mtu):
                travelling.put_nowait((await self._transmit(len(piece), way), piece))
            travelling.put_nowait((way.last, b""))

    async def _transmit(self, size: int, way: _Direction) -> float:
        """Put a packet on the link as often as it takes; return when it arrives. Returns once it has left."""
        loop = asyncio.get_running_loop()
        async with way.turn:
            for _ in range(MOST_REPEATS):
                await self._up.wait()
                passage = way.clock.passage(size, loop.time())
                self.counters.packets += 1
                await asyncio.sleep(min(passage.end, loop.time() + 3600) - loop.time())
                if passage.fate is Fate.ARRIVED:
                    way.last = max(way.last, passage.arrivals[0])
                    return way.last
                self.counters.lost += 1
                round_trip = self._link.there.delay + self._link.back.delay
                await asyncio.sleep(max(LEAST_REPEAT, REPEAT_ROUND_TRIPS * round_trip))
        return way.last

    async def _deliver(
        self, travelling: "asyncio.Queue[tuple[float, bytes]]", writer: asyncio.StreamWriter, way: _Direction
    ) -> None:
        loop = asyncio.get_running_loop()
        while True:
            at, piece = await travelling.get()
            await asyncio.sleep(at - loop.time())
            if not piece:
                with contextlib.suppress(OSError):
                    writer.write_eof()
                return
            if way.outward:
                self.counters.there += len(piece)
            else:
                self.counters.back += len(piece)
            writer.write(piece)
            await writer.drain()


async def check_target(target: tuple[str, int]) -> None:
    """Check that the receiver accepts connections.

    Raises:
        ConnectError: it does not.
    """
    host, port = target
    try:
        _, writer = await asyncio.open_connection(host, port)
    except OSError as error:
        raise ConnectError(f"nothing listens on {host}:{port} ({error.strerror or error}); start it first") from error
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
