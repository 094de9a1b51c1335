"""What everyone looks at: the present history, and a wake-up for each watcher when it changes."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from receiver.events import Event
from receiver.viewer.history import History, fold
from receiver.viewer.thumbnails import EncodedImage


class Watcher:
    """One watcher's place in the history.

    It holds no queue but the version that the watcher has seen: what changed since is looked up when the watcher is
    ready for more. So a slow watcher costs nothing, skips what is outdated, and always gets the newest.
    """

    def __init__(self, board: "Broadcaster") -> None:
        self._board = board
        self._seen = 0
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Tell that something changed."""
        self._wake.set()

    def news(self) -> int:
        """The version of the history that was seen last; the present one now counts as seen."""
        self._wake.clear()
        since, self._seen = self._seen, self._board.history.version
        return since

    async def changed(self, beat: float) -> bool:
        """Wait until there are news, or `beat` seconds at most; False when the board is closed."""
        try:
            async with asyncio.timeout(beat):
                await self._wake.wait()
        except TimeoutError:
            # Silence is an answer too: the caller tells its peer that the connection lives.
            return True
        return not self._board.closed


class Broadcaster:
    """The history, and those who watch it. Used from one event loop.

    Args:
        limit: pictures to remember.
    """

    def __init__(self, limit: int) -> None:
        self.history = History(limit)
        self.closed = False
        self._watchers: dict[Watcher, str] = {}

    @property
    def watchers(self) -> int:
        """How many are watching."""
        return len(self._watchers)

    def watchers_from(self, address: str) -> int:
        """How many of them sit at one network address."""
        return sum(seat == address for seat in self._watchers.values())

    def apply(self, event: Event, drawing: EncodedImage | None) -> None:
        """Fold an event into the history and wake everyone."""
        self.history = fold(self.history, event, drawing)
        self._wake_all()

    @contextmanager
    def watching(self, address: str) -> Iterator[Watcher]:
        """Take a seat for the time of the block, at a network address."""
        watcher = Watcher(self)
        self._watchers[watcher] = address
        try:
            yield watcher
        finally:
            self._watchers.pop(watcher)

    def open(self) -> None:
        """Let watchers in, again after `close` too."""
        self.closed = False

    def close(self) -> None:
        """Send everyone home."""
        self.closed = True
        self._wake_all()

    def _wake_all(self) -> None:
        for watcher in self._watchers:
            watcher.wake()
