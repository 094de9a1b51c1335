"""Brings what an outbox holds to a receiver, for as long as it takes.

    post --> Outbox --> Visit --> Sender --> receiver
               ^          |
               +----------+ delivered, failed, expired, or put back

A connection that ends is opened again, after waits that grow until something is delivered; what was under way is
offered again under its old number, so that the receiver takes nothing in twice.
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
from sender.connection.sender import Sender
from sender.outbox.outbox import Outbox
from sender.outbox.relay_session import RelaySession
from sender.outbox.updates import Update, Updates

_log = logging.getLogger("sender.outbox.relay")

#: Reasons for which a receiver ends a connection that no waiting mends.
HOPELESS = frozenset({Code.VERSION, Code.ROLE})

#: A connection that lasted as long, in seconds, was no failure even if there was nothing to deliver.
STEADY_SECONDS = LONGEST_WAIT


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Figures of all connections so far."""

    connections: int = 0
    packets: int = 0
    lost: int = 0


class OutboxRelay:
    """Delivers an outbox. `run` it as a task; `post` at any time from the same event loop.

    Args:
        outbox: what to deliver.
        connect: makes a connection to the receiver, not yet opened, for a stream's id and epoch.
        on_update: told of everything that happens to a picture.
        chance: gives numbers from 0 to below 1, for the waits between attempts.
    """

    def __init__(
        self,
        outbox: Outbox,
        connect: Callable[[bytes, int], Sender],
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
        #: The open connection; None while there is none.
        self.sender: Sender | None = None
        #: Why there is none, for a person.
        self.trouble = "not connected yet"
        self._past = Totals()

    @property
    def totals(self) -> Totals:
        """What was sent so far, over all connections."""
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
        """Accept a picture for delivery: `Outbox.accept` with its arguments, number and errors."""
        image = await asyncio.to_thread(
            self.outbox.accept, stream, name=name, key=key, jpeg_size=jpeg_size, lifetime=lifetime
        )
        self._changed.set()
        return image

    def drain(self) -> None:
        """Begin nothing new; `run` returns when what is under way has arrived."""
        self._draining = True
        self._changed.set()

    async def run(self, *, until_empty: bool = False) -> None:
        """Deliver until cancelled, or drained, or, if asked for, until nothing waits any more.

        Cancelling it is safe at any time: what was not delivered stays in the outbox.

        Raises:
            AuthenticationError: the receiver refuses the token.
            RemoteProtocolError: the receiver will never take us, as it speaks another version.
            OutboxError: the outbox cannot be read or written.
            UsageError: the address is none.
        """
        while not self._draining:
            if until_empty and not await asyncio.to_thread(self.outbox.queued, 1):
                return
            sender = self._connect(self.outbox.stream, self.outbox.epoch)
            try:
                await self._serve(sender, until_empty=until_empty)
            except RemoteProtocolError as error:
                if error.code in HOPELESS:
                    raise
                await self._wait_after(error, sender.retry_after)
            except (ConnectError, DisconnectedError) as error:
                await self._wait_after(error, sender.retry_after)

    async def _serve(self, sender: Sender, *, until_empty: bool) -> None:
        """Deliver over one connection until there is nothing left to do, or it ends."""
        visit = RelaySession(sender, self.outbox, self.updates, self._changed, lambda: self._draining)
        began = math.inf
        try:
            async with sender:
                began = time.monotonic()
                self.sender, self.trouble = sender, ""
                self._past = replace(self._past, connections=self._past.connections + 1)
                await visit.run(until_empty=until_empty)
        finally:
            self._past, self.sender = self.totals, None
            await visit.finish()
            # Not as soon as it stands: a receiver whose disk is full lets us in, and takes nothing.
            if visit.fruitful or time.monotonic() - began >= STEADY_SECONDS:
                self._backoff.reset()

    async def _wait_after(self, error: LayercastError, asked: float) -> None:
        wait = self._backoff.next_wait(asked)
        self.trouble = str(error)
        _log.warning("%s; trying again in %.1f s", error, wait)
        ends = time.monotonic() + wait
        while not self._draining and (left := ends - time.monotonic()) > 0:
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._changed.wait()
