"""News of the pictures in an outbox, for whoever wants to know."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from sender.connection.delivery import Delivery, Progress
from sender.outbox.entries import FINISHED, OutboxEntry

#: News that may wait for one listener; of a slow one the oldest are dropped.
MAX_WAITING = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """News of one picture.

    Attributes:
        entry: the picture as it is now.
        progress: the section that arrived, where that is the news.
        delivery: how it travelled, where it was delivered now.
    """

    entry: OutboxEntry
    progress: Progress | None = None
    delivery: Delivery | None = None

    @property
    def last(self) -> bool:
        """Whether nothing comes after it."""
        return self.entry.state in FINISHED


class Updates:
    """Spreads news. Used from one event loop.

    Args:
        on_update: told of all of them.
    """

    def __init__(self, on_update: Callable[[Update], None] | None = None) -> None:
        self._on_update = on_update
        self._listeners: dict[int, set[asyncio.Queue[Update | None]]] = {}

    def close(self) -> None:
        """Send every listener home."""
        for listeners in self._listeners.values():
            for listener in listeners:
                _put(listener, None)

    @property
    def listeners(self) -> int:
        """How many listen to single pictures."""
        return sum(map(len, self._listeners.values()))

    def tell(
        self,
        image: int,
        entry: OutboxEntry | None,
        *,
        progress: Progress | None = None,
        delivery: Delivery | None = None,
    ) -> None:
        """Tell that a picture is now so; one that was forgotten meanwhile is no news."""
        if entry is None:
            return
        update = Update(entry=entry, progress=progress, delivery=delivery)
        if self._on_update is not None:
            self._on_update(update)
        for listener in self._listeners.get(image, ()):
            _put(listener, update)

    async def of(self, image: int, entry: Callable[[], OutboxEntry | None]) -> AsyncIterator[Update]:
        """How a picture is, as `entry` reads it once we listen, and its news until it is finished, or we are closed."""
        queue: asyncio.Queue[Update | None] = asyncio.Queue(MAX_WAITING)
        listeners = self._listeners.setdefault(image, set())
        listeners.add(queue)
        try:
            known = await asyncio.to_thread(entry)
            if known is None:
                return
            update: Update | None = Update(entry=known)
            while update is not None:
                yield update
                if update.last:
                    return
                update = await queue.get()
        finally:
            listeners.discard(queue)
            if not listeners:
                self._listeners.pop(image, None)


def _put(listener: asyncio.Queue[Update | None], update: Update | None) -> None:
    if listener.full():
        listener.get_nowait()
    listener.put_nowait(update)
