"""Delivers pictures of an outbox over one connection, several at a time, until the connection ends.

Outbox --queued--> begin --> Sender.send --> delivered, failed, expired
  ^                              |
  +-- requeue: disconnected, or evicted by the receiver
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import replace

from layercast_common.errors import (
    BitstreamError,
    DisconnectedError,
    LayercastError,
    LocalProtocolError,
    RemoteProtocolError,
)
from layercast_common.steady_clock import steady_seconds
from layercast_common.tasks import cancel, start_task
from protocol.wire.codes import FIRST_PICTURE_CODE, Code
from protocol.wire.limits import Limits
from sender.connection.delivery import Delivery, Progress
from sender.connection.sender import Sender
from sender.outbox.entries import EntryState, OutboxEntry
from sender.outbox.outbox import Outbox
from sender.outbox.updates import Updates

_log = logging.getLogger(__name__)

#: A picture that is refused with one of these codes fails: the receiver would refuse it again.
REFUSALS = frozenset({Code.BAD_OBJECT, Code.TOO_LARGE, Code.CANCELLED})

#: Codes that end a connection; after `LAST_ATTEMPT` attempts the picture itself is taken as the cause, and fails.
BREAKS = frozenset({Code.PROTOCOL, Code.BAD_PACKETS})
LAST_ATTEMPT = 10

#: A picture that our own side cannot offer fails after this many attempts; until then the cause may be temporary.
LAST_LOCAL_ATTEMPT = 3

#: How long a requeued picture keeps its slot, in seconds, so that it is not retried in a busy loop.
PAUSE_SECONDS = 1.0

#: How often queued pictures are checked for expiry, in seconds.
EXPIRY_SECONDS = 5.0

#: After the receiver has evicted this many pictures, no more are offered in the session.
MAX_EVICTED = 64


class RelaySession:
    """Deliveries over one open connection. Await `run` once, close the connection, then await `finish`.

    Args:
        sender: the open connection.
        outbox: the outbox.
        updates: publishes each change of a picture.
        changed: set when there may be something new to do.
        draining: returns whether no more pictures are to be offered.

    Attributes:
        finished_any: whether a picture was delivered, failed or expired in this session.
    """

    def __init__(
        self, sender: Sender, outbox: Outbox, updates: Updates, changed: asyncio.Event, draining: Callable[[], bool]
    ) -> None:
        limits = Limits()
        self.finished_any = False
        self._sender = sender
        self._outbox = outbox
        self._updates = updates
        self._changed = changed
        self._draining = draining
        self._slots = limits.open_pictures
        self._bytes = limits.peer_bytes
        self._in_flight: dict[int, tuple[OutboxEntry, asyncio.Task[None]]] = {}
        #: Pictures that the receiver evicted. It accepts them again only in another session.
        self._evicted: set[int] = set()

    async def run(self, *, until_empty: bool) -> None:
        """Deliver pictures until the session is draining and none is in flight.

        Args:
            until_empty: return as well once no picture is pending.

        Raises:
            LayercastError: the error that ended the connection.
            DisconnectedError: the remaining pictures need another session.
            OutboxError: the outbox cannot be read or written.
        """
        closed = start_task(self._sender.wait_closed(), name="end of the connection")
        closed.add_done_callback(lambda _: self._changed.set())
        try:
            while not closed.done():
                self._changed.clear()
                self._remove_finished()
                waiting = 0 if self._draining() else await self._begin_next()
                if not waiting and not self._in_flight:
                    if self._evicted and not self._draining():
                        raise DisconnectedError(f"the receiver had no room for {len(self._evicted)} pictures")
                    if until_empty or self._draining():
                        return
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(EXPIRY_SECONDS):
                        await self._changed.wait()
            raise closed.result()
        finally:
            if not closed.done():
                await cancel(closed)

    async def finish(self) -> None:
        """Wait until all pictures in flight are recorded. Call it after the connection is closed.

        Raises:
            OutboxError: a picture's state could not be recorded.
        """
        tasks = [task for _, task in self._in_flight.values()]
        self._in_flight.clear()
        if not tasks:
            return
        await asyncio.wait(tasks)
        errors = [error for task in tasks if not task.cancelled() and (error := task.exception()) is not None]
        for error in errors[1:]:
            _log.error("a picture's state could not be recorded", exc_info=error)
        if errors:
            raise errors[0]

    def _remove_finished(self) -> None:
        """Free the slots of finished pictures.

        Raises:
            OutboxError: a picture's state could not be recorded.
        """
        for picture_id, (_, task) in list(self._in_flight.items()):
            if task.done():
                del self._in_flight[picture_id]
                task.result()

    async def _begin_next(self) -> int:
        """Offer as many queued pictures as there are slots. Return how many of those examined remain queued."""
        for picture_id in await asyncio.to_thread(self._outbox.expire):
            self._updates.publish(await asyncio.to_thread(self._outbox.entry, picture_id))
        if len(self._evicted) >= MAX_EVICTED:
            return 0
        free = max(0, self._slots - len(self._in_flight))
        queued = await asyncio.to_thread(self._outbox.queued, free + 1 + len(self._evicted))
        queued = [entry for entry in queued if entry.picture_id not in self._evicted]
        waiting = len(queued)
        for entry in queued[:free]:
            held = sum(other.size for other, _ in self._in_flight.values())
            if self._in_flight and held + entry.size > self._bytes:
                break
            await asyncio.to_thread(self._outbox.begin, entry.picture_id)
            begun = replace(entry, state=EntryState.SENT, attempts=entry.attempts + 1)
            task = start_task(self._deliver(begun), name=f"delivery of picture {entry.picture_id}")
            task.add_done_callback(lambda _: self._changed.set())
            self._in_flight[entry.picture_id] = (begun, task)
            waiting -= 1
        return waiting

    async def _deliver(self, entry: OutboxEntry) -> None:
        """Send one picture, and record how it ended."""
        self._updates.publish(entry)
        delivery: Delivery | None = None
        reason: str | None
        try:
            delivery = await self._send(entry)
        except LayercastError as error:
            state, reason = classify_failure(error, entry)
            if state is EntryState.QUEUED:
                await self._make_room(error, entry)
        else:
            state, reason = (
                (EntryState.DELIVERED, None) if delivery.complete else (EntryState.EXPIRED, "its lifetime ended")
            )
        if state is EntryState.QUEUED:
            await asyncio.to_thread(self._outbox.requeue, entry.picture_id, reason or "")
        else:
            self.finished_any = True
            await asyncio.to_thread(self._outbox.finish, entry.picture_id, state, reason)
        self._updates.publish(await asyncio.to_thread(self._outbox.entry, entry.picture_id), delivery=delivery)

    async def _send(self, entry: OutboxEntry) -> Delivery:
        stream = await asyncio.to_thread(self._outbox.load, entry.picture_id)

        def on_progress(progress: Progress) -> None:
            self._updates.publish(entry, progress=progress)

        lifetime = None if entry.expires_at is None else max(0.0, entry.expires_at - steady_seconds())
        return await self._sender.send(
            stream, picture_id=entry.picture_id, jpeg_size=entry.jpeg_size, lifetime=lifetime, on_progress=on_progress
        )

    async def _make_room(self, error: LayercastError, entry: OutboxEntry) -> None:
        """Let other pictures go first before a requeued one is retried."""
        if isinstance(error, RemoteProtocolError) and error.code >= FIRST_PICTURE_CODE:
            self._evicted.add(entry.picture_id)
            if error.code == Code.EVICTED:
                # The receiver holds fewer pictures than its limits say: another one would evict yet another.
                self._slots = max(1, len(self._in_flight) - 1)
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._sender.wait_closed(), PAUSE_SECONDS)


def classify_failure(error: LayercastError, entry: OutboxEntry) -> tuple[EntryState, str]:
    """Return the state of a picture that was not delivered, FAILED or QUEUED, and the reason."""
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
