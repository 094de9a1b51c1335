"""Relays an outbox to a receiver.

    post --> Outbox --> RelaySession --> Sender --> receiver
               ^             |
               +-------------+ delivered, failed, expired, or queued again

When a connection ends, the relay connects again after growing waits, which a delivery resets. Pictures in flight are
offered again under their old picture ids, so that the receiver stores none of them twice.
"""

import asyncio
import contextlib
import logging
import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from codec.container.bitstream import Bitstream
from layercast_common.errors import ConnectError, DisconnectedError, LayercastError, RemoteProtocolError
from protocol.wire.codes import Code
from sender.connection.backoff import LONGEST_WAIT, Backoff
from sender.connection.options import SenderIdentity
from sender.connection.sender import Sender
from sender.outbox.outbox import Outbox
from sender.outbox.relay_session import RelaySession
from sender.outbox.updates import Update, Updates

_log = logging.getLogger(__name__)

#: Error codes of connections that no retry can help.
FATAL_CODES = frozenset({Code.VERSION, Code.ROLE})

#: A connection of this length, in seconds, resets the waits even if it delivered nothing.
STEADY_SECONDS = LONGEST_WAIT


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Counters over all connections of a relay: connections opened, packets sent, packets declared lost."""

    connections: int = 0
    packets: int = 0
    lost: int = 0


class OutboxRelay:
    """Delivers the pictures of an outbox. Await `run` in a task; call `post` at any time from the same event loop.

    Args:
        outbox: the outbox.
        connect: creates a sender, not yet connected, for the outbox's identity.
        on_update: called for each change of a picture; its errors are logged.
        chance: returns numbers from 0 to below 1, for the jitter of the waits.
    """

    def __init__(
        self,
        outbox: Outbox,
        connect: Callable[[SenderIdentity], Sender],
        *,
        on_update: Callable[[Update], None] | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.outbox = outbox
        self._connect = connect
        self._backoff = Backoff(chance)
        self._changed = asyncio.Event()
        self._draining = False
        self.updates = Updates(on_update)
        #: The open connection; None while disconnected.
        self.sender: Sender | None = None
        #: Why the relay is disconnected, for a person; empty while connected.
        self.trouble = "not connected yet"
        self._past = Totals()

    @property
    def totals(self) -> Totals:
        """Counters over all connections, the open one included."""
        past, sender = self._past, self.sender
        if sender is None:
            return past
        return replace(past, packets=past.packets + sender.packets_sent, lost=past.lost + sender.packets_lost)

    async def post(
        self,
        stream: Bitstream,
        *,
        name: str = "",
        key: str | None = None,
        jpeg_size: int = 0,
        lifetime: float | None = None,
    ) -> int:
        """Store a picture for delivery: arguments, result and errors are those of `Outbox.accept`."""
        picture_id = await asyncio.to_thread(
            self.outbox.accept, stream, name=name, key=key, jpeg_size=jpeg_size, lifetime=lifetime
        )
        self._changed.set()
        return picture_id

    def drain(self) -> None:
        """Offer no more pictures; `run` returns once those in flight are finished."""
        self._draining = True
        self._changed.set()

    async def run(self, *, until_empty: bool = False) -> None:
        """Deliver pictures until cancelled or drained. Cancelling is safe: undelivered pictures stay in the outbox.

        Args:
            until_empty: return once no picture is pending.

        Raises:
            AuthenticationError: the receiver refuses the token.
            RemoteProtocolError: the receiver speaks another protocol version, or is not a receiver.
            OutboxError: the outbox cannot be read or written.
            UsageError: the address is not valid.
        """
        while not self._draining:
            if until_empty and not await asyncio.to_thread(self.outbox.queued, 1):
                return
            sender = self._connect(self.outbox.identity)
            try:
                await self._deliver_over(sender, until_empty=until_empty)
            except RemoteProtocolError as error:
                if error.code in FATAL_CODES:
                    raise
                await self._wait_after(error, sender.retry_after)
            except (ConnectError, DisconnectedError) as error:
                await self._wait_after(error, sender.retry_after)

    async def _deliver_over(self, sender: Sender, *, until_empty: bool) -> None:
        """Deliver over one connection until it ends or nothing is left to do."""
        session = RelaySession(sender, self.outbox, self.updates, self._changed, lambda: self._draining)
        began = math.inf
        try:
            async with sender:
                began = time.monotonic()
                self.sender, self.trouble = sender, ""
                self._past = replace(self._past, connections=self._past.connections + 1)
                await session.run(until_empty=until_empty)
        finally:
            self._past, self.sender = self.totals, None
            await session.finish()
            # An open connection alone is no success: a receiver whose disk is full accepts connections but no pictures.
            if session.finished_any or time.monotonic() - began >= STEADY_SECONDS:
                self._backoff.reset()

    async def _wait_after(self, error: LayercastError, retry_after: float) -> None:
        wait = self._backoff.next_wait(retry_after)
        self.trouble = str(error)
        _log.warning("%s; trying again in %.1f s", error, wait)
        ends = time.monotonic() + wait
        while not self._draining and (left := ends - time.monotonic()) > 0:
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._changed.wait()
