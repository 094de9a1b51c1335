"""One connection's worth of deliveries: as many pictures of an outbox at a time as fit, until it ends.

Outbox --queued--> begin --> Sender.send --> delivered, failed, expired
  ^                              |
  +-- put back: the link broke, or the receiver had no place for it --+
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import replace

from layercast_common.errors import (
    BitstreamError,
    DisconnectedError,
    LayercastError,
    LocalProtocolError,
    RemoteProtocolError,
)
from protocol.wire.codes import FIRST_PICTURE_CODE, Code
from protocol.wire.limits import Limits
from sender.connection.delivery import Delivery, Progress
from sender.connection.sender import Sender
from sender.outbox.entries import EntryState, OutboxEntry
from sender.outbox.outbox import Outbox
from sender.outbox.updates import Updates

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

#: Pictures that a session may have given up before nothing new is begun in it.
MAX_GIVEN_UP = 64


class RelaySession:
    """Delivers over one open connection. `run` it once.

    Args:
        sender: the connection.
        outbox: what to deliver.
        updates: told of everything that happens to a picture.
        changed: set when there is something new to look at.
        draining: whether nothing new is to be begun.

    Attributes:
        fruitful: whether a picture ended here, so that it was not in vain.
    """

    def __init__(
        self, sender: Sender, outbox: Outbox, updates: Updates, changed: asyncio.Event, draining: Callable[[], bool]
    ) -> None:
        limits = Limits()
        self.fruitful = False
        self._sender = sender
        self._outbox = outbox
        self._updates = updates
        self._changed = changed
        self._draining = draining
        self._places = limits.open_pictures
        self._bytes = limits.peer_bytes
        self._under_way: dict[int, tuple[OutboxEntry, asyncio.Task[None]]] = {}
        #: Pictures that the receiver threw away. As long as the session lasts, it takes none of them in again.
        self._given_up: set[int] = set()

    async def run(self, *, until_empty: bool) -> None:
        """Deliver until nothing is left, if that was asked for, or we are to drain.

        Raises:
            LayercastError: why the connection ended.
            DisconnectedError: what is left will only be taken in another session.
            OutboxError: the outbox cannot be read or written.
        """
        closed = asyncio.create_task(self._sender.wait_closed(), name="watch the connection")
        closed.add_done_callback(lambda _: self._changed.set())
        try:
            while not closed.done():
                self._changed.clear()
                self._remove_finished()
                waiting = 0 if self._draining() else await self._begin_next()
                if not waiting and not self._under_way:
                    if self._given_up and not self._draining():
                        raise DisconnectedError(f"the receiver had no place for {len(self._given_up)} pictures")
                    if until_empty or self._draining():
                        return
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(EXPIRY_SECONDS):
                        await self._changed.wait()
            raise closed.result()
        finally:
            closed.cancel()

    async def finish(self) -> None:
        """Wait, once the connection is closed, until every picture that was under way is put back."""
        await asyncio.gather(*(task for _, task in self._under_way.values()), return_exceptions=True)

    def _remove_finished(self) -> None:
        """Give the places of finished pictures away.

        Raises:
            OutboxError: how one of them ended could not be written down.
        """
        for image, (_, task) in list(self._under_way.items()):
            if task.done():
                del self._under_way[image]
                task.result()

    async def _begin_next(self) -> int:
        """Begin as many pictures as there are places for; gives how many of those looked at still wait."""
        for image in await asyncio.to_thread(self._outbox.expire):
            self._updates.tell(image, await asyncio.to_thread(self._outbox.entry, image))
        if len(self._given_up) >= MAX_GIVEN_UP:
            return 0
        room = max(0, self._places - len(self._under_way))
        queued = await asyncio.to_thread(self._outbox.queued, room + 1 + len(self._given_up))
        queued = [entry for entry in queued if entry.image not in self._given_up]
        waiting = len(queued)
        for entry in queued[:room]:
            held = sum(other.size for other, _ in self._under_way.values())
            if self._under_way and held + entry.size > self._bytes:
                break
            await asyncio.to_thread(self._outbox.begin, entry.image)
            begun = replace(entry, state=EntryState.SENT, attempts=entry.attempts + 1)
            task = asyncio.create_task(self._deliver(begun), name=f"picture {entry.image}")
            task.add_done_callback(lambda _: self._changed.set())
            self._under_way[entry.image] = (begun, task)
            waiting -= 1
        return waiting

    async def _deliver(self, entry: OutboxEntry) -> None:
        self._updates.tell(entry.image, entry)
        delivery: Delivery | None = None
        try:
            delivery = await self._send(entry)
            ending = (EntryState.DELIVERED, None) if delivery.complete else (EntryState.EXPIRED, "its time was over")
        except LayercastError as error:
            ending = ending_of(error, entry)
            if ending[0] is EntryState.QUEUED:
                await self._make_way(error, entry)
        state, reason = ending
        if state is EntryState.QUEUED:
            await asyncio.to_thread(self._outbox.put_back, entry.image, reason or "")
        else:
            self.fruitful = True
            await asyncio.to_thread(self._outbox.finish, entry.image, state, reason)
        self._updates.tell(entry.image, await asyncio.to_thread(self._outbox.entry, entry.image), delivery=delivery)

    async def _send(self, entry: OutboxEntry) -> Delivery:
        stream = await asyncio.to_thread(self._outbox.load, entry.image)

        def on_progress(progress: Progress) -> None:
            self._updates.tell(entry.image, entry, progress=progress)

        lifetime = None if entry.expires_at is None else max(0.0, entry.expires_at - time.time())
        return await self._sender.send(
            stream, image=entry.image, jpeg_size=entry.jpeg_size, lifetime=lifetime, on_progress=on_progress
        )

    async def _make_way(self, error: LayercastError, entry: OutboxEntry) -> None:
        """Let others go first before a picture that is to be put back is tried again."""
        if isinstance(error, RemoteProtocolError) and error.code >= FIRST_PICTURE_CODE:
            self._given_up.add(entry.image)
            if error.code == Code.EVICTED:
                # It holds fewer at a time than we thought: one more would only drive out another.
                self._places = max(1, len(self._under_way) - 1)
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._sender.wait_closed(), PAUSE_SECONDS)


def ending_of(error: LayercastError, entry: OutboxEntry) -> tuple[EntryState, str]:
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
