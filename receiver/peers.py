"""The open connections of a server: their number in all and per address, and their end."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterator

from protocol.connection.events import ReceiverEvent
from protocol.driver import Driver
from protocol.receiving.connection import ReceiverConnection
from protocol.wire.codes import Code
from protocol.wire.limits import Limits


class Peers:
    """The connections of one server. Use it from one event loop.

    Args:
        limits: the numbers of connections that are allowed.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._arriving: set[asyncio.Task[None]] = set()
        self._open: dict[asyncio.Task[None], tuple[ReceiverConnection, Driver[ReceiverEvent]]] = {}
        self._addresses: Counter[str] = Counter()
        self._bad_packets = 0

    @property
    def bad_packets(self) -> int:
        """Number of damaged packets on all connections so far."""
        return self._bad_packets + sum(connection.bad_packets for connection, _ in self._open.values())

    @property
    def sessions(self) -> tuple[str, ...]:
        """Names of the open connections' sessions."""
        return tuple(connection.session for connection, _ in self._open.values())

    def is_full(self, address: str) -> bool:
        """Return whether another connection from an address exceeds a limit."""
        limits = self._limits
        return len(self._open) >= limits.sessions or self._addresses[address] >= limits.sessions_per_address

    @contextlib.contextmanager
    def arriving(self) -> Iterator[None]:
        """Count the present task as one whose connection is not open yet; `close` cancels it."""
        task = _present_task()
        self._arriving.add(task)
        try:
            yield
        finally:
            self._arriving.discard(task)

    @contextlib.contextmanager
    def connected(self, address: str, connection: ReceiverConnection, driver: Driver[ReceiverEvent]) -> Iterator[None]:
        """Count a connection, which the present task runs, while the block runs."""
        task = _present_task()
        self._open[task] = (connection, driver)
        self._addresses[address] += 1
        try:
            yield
        finally:
            del self._open[task]
            self._bad_packets += connection.bad_packets
            self._addresses[address] -= 1
            # Adding an empty counter drops zero counts, so the counter does not grow with every address ever seen.
            self._addresses += Counter()

    async def close(self, *, retry: int, seconds: float) -> None:
        """Close all connections.

        Args:
            retry: seconds after which senders may connect again.
            seconds: how long their close handshakes may take, in seconds.
        """
        for task in self._arriving:
            task.cancel()
        try:
            for connection, driver in self._open.values():
                connection.close(Code.GOING_AWAY, retry)
                driver.wake()
            if self._open:
                await asyncio.wait(self._open, timeout=seconds)
        finally:
            for task in self._open:
                task.cancel()


def _present_task() -> "asyncio.Task[None]":
    task = asyncio.current_task()
    assert task is not None
    return task
