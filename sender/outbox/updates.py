"""Updates on the pictures of an outbox, for the application and for subscribers of single pictures."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass

from layercast_common.tasks import notify
from sender.connection.delivery import Delivery, Progress
from sender.outbox.entries import FINISHED, OutboxEntry

#: Updates that may wait for one subscriber; if it is slower, the oldest are dropped.
MAX_WAITING = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """A change of one picture.

    Attributes:
        entry: the picture after the change.
        progress: the section that was acknowledged, if that is the change.
        delivery: the delivery report, if the picture was delivered.
    """

    entry: OutboxEntry
    progress: Progress | None = None
    delivery: Delivery | None = None

    @property
    def last(self) -> bool:
        """Whether no update follows."""
        return self.entry.state in FINISHED


class Updates:
    """Publishes updates. Used from one event loop.

    Args:
        on_update: called for each update; its errors are logged.
    """

    def __init__(self, on_update: Callable[[Update], None] | None = None) -> None:
        self._on_update = on_update
        self._subscribers: dict[int, set[asyncio.Queue[Update | None]]] = {}

    def close(self) -> None:
        """End all subscriptions."""
        for subscribers in self._subscribers.values():
            for subscriber in subscribers:
                _put(subscriber, None)

    @property
    def subscribers(self) -> int:
        """Number of subscriptions to single pictures."""
        return sum(map(len, self._subscribers.values()))

    def publish(
        self, entry: OutboxEntry | None, *, progress: Progress | None = None, delivery: Delivery | None = None
    ) -> None:
        """Publish a change of a picture. If the outbox has forgotten it (`entry` is None), do nothing."""
        if entry is None:
            return
        update = Update(entry=entry, progress=progress, delivery=delivery)
        notify(self._on_update, update, what=f"picture {entry.picture_id}")
        for subscriber in self._subscribers.get(entry.picture_id, ()):
            _put(subscriber, update)

    async def subscribe(
        self, picture_id: int, read_entry: Callable[[], OutboxEntry | None]
    ) -> AsyncGenerator[Update, None]:
        """Yield a picture's present state, then its updates, until it is finished or `close` is called.

        Args:
            picture_id: the picture.
            read_entry: reads the picture's entry, in a thread; called after the subscription has begun.
        """
        queue: asyncio.Queue[Update | None] = asyncio.Queue(MAX_WAITING)
        subscribers = self._subscribers.setdefault(picture_id, set())
        subscribers.add(queue)
        try:
            entry = await asyncio.to_thread(read_entry)
            if entry is None:
                return
            update: Update | None = Update(entry=entry)
            while update is not None:
                yield update
                if update.last:
                    return
                update = await queue.get()
        finally:
            subscribers.discard(queue)
            if not subscribers:
                self._subscribers.pop(picture_id, None)


def _put(subscriber: asyncio.Queue[Update | None], update: Update | None) -> None:
    if subscriber.full():
        subscriber.get_nowait()
    subscriber.put_nowait(update)
