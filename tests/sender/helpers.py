"""A sender and a receiver in virtual time, with a link in memory between them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from protocol.driver import Driver
from protocol.events import Event
from protocol.limits import Limits
from protocol.links import LINKS, LinkProfile
from protocol.receiving import ReceiverConnection
from protocol.tokens import admit_token
from protocol.transports.memory import memory_pair
from sender.session import Sender


class Far:
    """The receiving end, and what it told, with the time of it."""

    def __init__(self, connection: ReceiverConnection, driver: Driver) -> None:
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
        session=b"far", admit=admit_token(token), limits=limits, mtu=theirs.mtu, now=loop.time()
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
