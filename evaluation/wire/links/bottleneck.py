"""A slow link between real sockets, which delays every byte as a modem would.

    sender --socket--> [buffer] --rate--> [delay] --socket--> receiver        and back, likewise

It runs in user space, for any TCP connection. The buffer is that of the sockets and accepts data at once, as modems do:
later bytes wait behind earlier ones.
"""

import asyncio
import contextlib
from types import TracebackType
from urllib.parse import urlsplit

from layercast_common.tasks import BackgroundTasks

#: The longest transmission time of what is forwarded at once, in seconds: the last byte of a packet must not wait for
#: the next packet.
PIECE_SECONDS = 0.004

#: The most bytes forwarded at once.
MOST = 65536

#: The longest late wake-up that is compensated, in seconds: the link would continue meanwhile.
LATE = 0.1


class Bottleneck:
    """A proxy in front of a listening address. Use it as `async with`.

    Args:
        url: the address behind it, such as ws://127.0.0.1:8765.
        rate: the rate of each direction, in bit/s; 0 for no limit.
        delay: the delay of each direction, in seconds.

    Attributes:
        there, back: the bytes forwarded to the address and from it, in order.
        url: the address of the proxy.
    """

    def __init__(self, url: str, *, rate: float, delay: float) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        assert parts.port is not None
        self._scheme, self._host, self._port = parts.scheme, parts.hostname, parts.port
        self._rate = rate
        self._delay = delay
        self._tasks = BackgroundTasks("bottleneck")
        self.there, self.back = bytearray(), bytearray()
        self.url = ""

    async def __aenter__(self) -> "Bottleneck":
        """Start listening."""
        await self._tasks.__aenter__()
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        self.url = f"{self._scheme}://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close all connections."""
        self._server.close()
        await self._tasks.__aexit__(kind, error, trace)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        other_reader, other_writer = await asyncio.open_connection(self._host, self._port)
        for source, sink, seen in ((reader, other_writer, self.there), (other_reader, writer, self.back)):
            passing: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
            for work in (self._enter(source, passing), self._leave(passing, sink, seen)):
                self._tasks.start(work, name="bottleneck pump")

    async def _enter(self, source: asyncio.StreamReader, passing: "asyncio.Queue[tuple[float, bytes]]") -> None:
        loop = asyncio.get_running_loop()
        free_at = 0.0
        piece_bytes = max(1, min(MOST, int(self._rate / 8 * PIECE_SECONDS))) if self._rate else MOST
        with contextlib.suppress(ConnectionError):
            while piece := await source.read(piece_bytes):
                now = loop.time()
                began = free_at if now < free_at + LATE else now
                free_at = began + (8 * len(piece) / self._rate if self._rate else 0.0)
                await asyncio.sleep(free_at - loop.time())
                passing.put_nowait((free_at + self._delay, piece))
        passing.put_nowait((free_at + self._delay, b""))

    async def _leave(
        self, passing: "asyncio.Queue[tuple[float, bytes]]", sink: asyncio.StreamWriter, seen: bytearray
    ) -> None:
        loop = asyncio.get_running_loop()
        piece = b"-"
        with contextlib.suppress(ConnectionError):
            while piece:
                at, piece = await passing.get()
                await asyncio.sleep(at - loop.time())
                seen += piece
                sink.write(piece)
                await sink.drain()
        sink.close()
