"""The state that all watchers see, and a wake-up for each watcher when it changes."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from receiver.events import Event
from receiver.viewer.pictures.history import fold
from receiver.viewer.pictures.state import History
from receiver.viewer.pictures.thumbnails import EncodedImage


class Watcher:
    """One watcher's position in the history.

    A watcher has no queue. It only holds the version that it saw last, and looks up the changes since then when its
    connection is ready. A slow watcher therefore costs nothing, skips outdated states, and always gets the newest.
    """

    def __init__(self, broadcaster: "Broadcaster") -> None:
        self._broadcaster = broadcaster
        self._seen = 0
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Signal a change."""
        self._wake.set()

    def advance(self) -> int:
        """Return the version that was seen last, and mark the present one as seen."""
        self._wake.clear()
        since, self._seen = self._seen, self._broadcaster.history.version
        return since

    async def changed(self) -> bool:
        """Wait for a change. Return False once the broadcaster is closed."""
        if not self._broadcaster.closed:
            await self._wake.wait()
        return not self._broadcaster.closed


class Broadcaster:
    """The history and its watchers. Use it from one event loop.

    Args:
        limit: number of pictures to remember.

    Attributes:
        watched: set once there has been a watcher.
    """

    def __init__(self, limit: int) -> None:
        self.history = History(limit)
        self.closed = False
        self.watched = asyncio.Event()
        self._watchers: set[Watcher] = set()

    @property
    def watchers(self) -> int:
        """Number of watchers."""
        return len(self._watchers)

    def apply(self, event: Event, image: EncodedImage | None) -> None:
        """Fold an event into the history and wake all watchers."""
        self.update(fold(self.history, event, image))

    def update(self, history: History) -> None:
        """Replace the history by a later one and wake all watchers."""
        if history is not self.history:
            self.history = history
            self.wake_all()

    @contextmanager
    def watching(self) -> Iterator[Watcher]:
        """Register a watcher while the block runs."""
        watcher = Watcher(self)
        self._watchers.add(watcher)
        self.watched.set()
        try:
            yield watcher
        finally:
            self._watchers.discard(watcher)

    def open(self) -> None:
        """Admit watchers, also again after `close`."""
        self.closed = False

    def close(self) -> None:
        """End the live channels of all watchers."""
        self.closed = True
        self.wake_all()

    def wake_all(self) -> None:
        """Wake all watchers."""
        for watcher in self._watchers:
            watcher.wake()
