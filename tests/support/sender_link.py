"""A sender and a receiver in virtual time, with a link in memory between them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from protocol.connection.events import Event, ReceiverEvent
from protocol.driver import Driver
from protocol.link_profiles import LINKS, LinkProfile
from protocol.receiving.connection import ReceiverConnection
from protocol.receiving.options import ReceiverOptions
from protocol.transports.memory import memory_pair
from protocol.wire.limits import Limits
from sender.connection.sender import Sender
from tests.support.tokens import admit_token


class Far:
    """The receiving end, and what it told, with the time of it."""

    def __init__(self, connection: ReceiverConnection, driver: Driver[ReceiverEvent]) -> None:
        self.connection = connection
        self.driver = driver
        self.events: list[tuple[float, Event]] = []

    def close(self) -> None:
        """Say goodbye."""
        self.connection.close()
        self.driver.wake()


@contextlib.asynccontextmanager
async def connected(
    link: LinkProfile = LINKS["fast"], *, token: str | None = None, limits: Limits | None = None, **options: Any
) -> AsyncIterator[tuple[Sender, Far]]:
    """A sender that was welcomed, over a link in memory."""
    loop = asyncio.get_running_loop()
    ours, theirs = memory_pair(link)
    limits = limits or Limits()
    connection = ReceiverConnection(
        session=b"far",
        mtu=theirs.mtu,
        now=loop.time(),
        options=ReceiverOptions(admit=admit_token(token), limits=limits),
    )
    far: Far
    driver = Driver(
        connection, theirs, lambda event: far.events.append((loop.time(), event)), stall_seconds=limits.stall_seconds
    )
    far = Far(connection, driver)
    running = asyncio.create_task(driver.run())
    try:
        async with Sender("memory", transport=ours, **options) as sender:
            yield sender, far
    finally:
        await asyncio.gather(running, return_exceptions=True)


class Cable:
    """A TCP connection to a server that can be pulled out and plugged in again."""

    def __init__(self, host: str, port: int) -> None:
        self._far = (host, port)
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.plugged = True

    async def __aenter__(self) -> "Cable":
        self._server = await asyncio.start_server(self._join, "127.0.0.1", 0)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(self, *_: object) -> None:
        self.pull()
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def pull(self) -> None:
        """End every connection at once, without a word."""
        self.plugged = False
        for writer in self._writers:
            writer.transport.abort()

    def plug(self) -> None:
        """Let connections through again."""
        self.plugged = True

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self.plugged:
            writer.transport.abort()
            return
        far_reader, far_writer = await asyncio.open_connection(*self._far)
        self._writers |= {writer, far_writer}
        for source, target in ((reader, far_writer), (far_reader, writer)):
            task = asyncio.create_task(self._pass(source, target))
            self._tasks.add(task)

    async def _pass(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(4096):
                target.write(data)
                await target.drain()
        target.close()
