"""Brings what an outbox holds to a receiver, for as long as it takes.

    post --> Outbox --> as many as fit --> Sender --> receiver
               ^                             |
               +--- delivered, failed, expired, or put back: the link broke ---+

A connection that ends is opened again, after waits that grow; what was under way is offered again under its old
number, so that the receiver takes nothing in twice.
"""

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from codec.bitstream import Bitstream
from layercast_errors import (
    BitstreamError,
    ConnectError,
    DisconnectedError,
    LayercastError,
    LocalProtocolError,
    RemoteProtocolError,
)
from protocol.codes import Code
from protocol.limits import Limits
from sender.backoff import Backoff
from sender.delivery import Delivery, Progress
from sender.entries import Entry, EntryState
from sender.outbox import Outbox
from sender.session import Sender
from sender.updates import Update, Updates

_log = logging.getLogger("sender.courier")

#: Reasons for which a receiver ends a connection that no waiting mends.
HOPELESS = frozenset({Code.VERSION, Code.ROLE})

#: Reasons for which a receiver gives up a picture that it would not take later either.
REFUSALS = frozenset({Code.BAD_OBJECT, Code.TOO_LARGE, Code.CANCELLED})

#: Reasons that, after `LAST_ATTEMPT` attempts, put the picture itself under suspicion.
BREAKS = frozenset({Code.PROTOCOL, Code.BAD_PACKETS})
LAST_ATTEMPT = 10

#: After so many attempts a picture that we cannot offer counts as broken; before, it may have been the moment's fault.
LAST_LOCAL_ATTEMPT = 3

#: How long a picture that was put back keeps its place, in seconds, so that it is not tried again in an endless hurry.
PAUSE_SECONDS = 1.0

#: How often pictures that wait are looked through for those out of time, in seconds.
EXPIRY_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Figures of all connections so far."""

    connections: int = 0
    packets: int = 0
    lost: int = 0


class Courier:
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
        limits = Limits()
        self.outbox = outbox
        self._connect = connect
        self._backoff = Backoff(chance)
        self._places = limits.open_images
        self._bytes = limits.peer_bytes
        self._changed = asyncio.Event()
        self._draining = False
        self._under_way: dict[int, tuple[Entry, asyncio.Task[None]]] = {}
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
        try:
            async with sender:
                self.sender, self.trouble = sender, ""
                self._past = replace(self._past, connections=self._past.connections + 1)
                self._backoff.reset()
                await self._pump(sender, until_empty=until_empty)
        finally:
            self._past, self.sender = self.totals, None
            # The connection is closed, so each of them ends by itself and puts its picture back.
            await asyncio.gather(*(task for _, task in self._under_way.values()), return_exceptions=True)
            self._under_way.clear()

    async def _pump(self, sender: Sender, *, until_empty: bool) -> None:
        closed = asyncio.create_task(sender.wait_closed(), name="watch the connection")
        closed.add_done_callback(lambda _: self._changed.set())
        try:
            while not closed.done():
                self._changed.clear()
                self._remove_finished()
                waiting = 0 if self._draining else await self._begin_next(sender)
                if not waiting and not self._under_way and (until_empty or self._draining):
                    return
                await self._wait(EXPIRY_SECONDS)
            raise closed.result()
        finally:
            closed.cancel()

    def _remove_finished(self) -> None:
        """Give the places of finished pictures away.

        Raises:
            OutboxError: how one of them ended could not be written down.
        """
        for image, (_, task) in list(self._under_way.items()):
            if task.done():
                del self._under_way[image]
                task.result()

    async def _begin_next(self, sender: Sender) -> int:
        """Begin as many pictures as there are places for; gives how many of those looked at still wait."""
        for image in await asyncio.to_thread(self.outbox.expire):
            self.updates.tell(image, await asyncio.to_thread(self.outbox.entry, image))
        room = self._places - len(self._under_way)
        queued = await asyncio.to_thread(self.outbox.queued, room + 1)
        waiting = len(queued)
        for entry in queued[:room]:
            held = sum(other.size for other, _ in self._under_way.values())
            if self._under_way and held + entry.size > self._bytes:
                break
            await asyncio.to_thread(self.outbox.begin, entry.image)
            begun = replace(entry, state=EntryState.SENT, attempts=entry.attempts + 1)
            task = asyncio.create_task(self._deliver(sender, begun), name=f"picture {entry.image}")
            task.add_done_callback(lambda _: self._changed.set())
            self._under_way[entry.image] = (begun, task)
            waiting -= 1
        return waiting

    async def _deliver(self, sender: Sender, entry: Entry) -> None:
        self.updates.tell(entry.image, entry)
        delivery: Delivery | None = None
        try:
            stream = await asyncio.to_thread(self.outbox.load, entry.image)

            def on_progress(progress: Progress) -> None:
                self.updates.tell(entry.image, entry, progress=progress)

            lifetime = None if entry.expires_at is None else max(0.0, entry.expires_at - time.time())
            delivery = await sender.send(
                stream, image=entry.image, jpeg_size=entry.jpeg_size, lifetime=lifetime, on_progress=on_progress
            )
            ending = (EntryState.DELIVERED, None) if delivery.complete else (EntryState.EXPIRED, "its time was over")
        except LayercastError as error:
            ending = _ending_of(error, entry)
        state, reason = ending
        if state is EntryState.QUEUED:
            if self.sender is sender:
                await self._pause()
            await asyncio.to_thread(self.outbox.put_back, entry.image, reason or "")
        else:
            await asyncio.to_thread(self.outbox.finish, entry.image, state, reason)
        self.updates.tell(entry.image, await asyncio.to_thread(self.outbox.entry, entry.image), delivery=delivery)

    async def _pause(self) -> None:
        """Let a moment pass, unless the connection ends meanwhile."""
        assert self.sender is not None
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.sender.wait_closed(), PAUSE_SECONDS)

    async def _wait_after(self, error: LayercastError, asked: float) -> None:
        wait = self._backoff.next_wait(asked)
        self.trouble = str(error)
        _log.warning("%s; trying again in %.1f s", error, wait)
        ends = time.monotonic() + wait
        while not self._draining and (left := ends - time.monotonic()) > 0:
            self._changed.clear()
            await self._wait(left)

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return


def _ending_of(error: LayercastError, entry: Entry) -> tuple[EntryState, str]:
    """What becomes of a picture that was not delivered, and why."""
    reason = str(error)
    match error:
        case RemoteProtocolError(code=code) if code in REFUSALS:
            return EntryState.FAILED, reason
        case RemoteProtocolError(code=code) if code in BREAKS and entry.attempts >= LAST_ATTEMPT:
            return EntryState.FAILED, reason
        case LocalProtocolError() if entry.attempts >= LAST_LOCAL_ATTEMPT:
            return EntryState.FAILED, reason
        case BitstreamError():
            return EntryState.FAILED, reason
        case _:
            return EntryState.QUEUED, reason
