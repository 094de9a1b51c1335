"""The viewer: takes events in, serves the page from the running event loop."""

import asyncio
import contextlib
import logging
import ssl as tls
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Collection

from layercast_common.http.server import open_socket, quiet_server, serving, url_of
from receiver.events import Event, FrameRendered
from receiver.permissions import Permissions
from receiver.viewer.broadcast import Broadcaster
from receiver.viewer.event_stream import ViewerConfig
from receiver.viewer.history import HISTORY_LIMIT
from receiver.viewer.thumbnails import draw

#: Events that may wait for their drawing. Frames wait at most one per picture and level, so that only a flood of
#: pictures comes near it; beyond, the oldest is dropped.
MAX_WAITING = 256

_logger = logging.getLogger(__name__)


class Viewer:
    """Shows pictures as they arrive, in any number of browsers.

        viewer = Viewer(address="ws://192.0.2.7:8765")
        async with viewer.serve("127.0.0.1", 8080) as url:
            viewer.publish(event)

    publish -> waiting -> draw, in a thread -> Board: History -> a wake-up for each watcher -> /live

    Args:
        address: where senders send to, for the page to tell.
        origins: origins besides the page's own host that may open the live channel, such as "https://show.example":
            needed behind a proxy that rewrites the Host header.
        names: the names that the page goes by, besides localhost and numbers, such as "show.example".
        permissions: who may watch and read the metrics; everyone if None.
        metrics: gives the metrics as text, and its media type.
        condition: how the receiver is, for `/healthz`; anything but "ok" is answered with status 503.
        pictures: how many pictures are remembered.
        clock: the clock that the events' times are taken from, in seconds.
    """

    def __init__(
        self,
        *,
        address: str | None = None,
        origins: Collection[str] = (),
        names: Collection[str] = (),
        permissions: Permissions | None = None,
        metrics: Callable[[], tuple[bytes, str]] | None = None,
        condition: Callable[[], str] = lambda: "ok",
        pictures: int = HISTORY_LIMIT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._board = Broadcaster(pictures)
        self._setting = ViewerConfig(
            board=self._board,
            clock=clock,
            address=address,
            origins=frozenset(origins),
            names=frozenset(name.lower() for name in names),
            permissions=permissions,
            metrics=metrics,
            condition=condition,
        )
        self._waiting: OrderedDict[object, Event] = OrderedDict()
        self._published = asyncio.Event()
        self._url: str | None = None

    @property
    def url(self) -> str | None:
        """Where the page is, while it is served."""
        return self._url

    def publish(self, event: Event) -> None:
        """Show an event to everyone who watches. Returns at once; to be called in the event loop.

        Events are shown in their order; a frame that waits is replaced by a newer one of its picture and level.
        """
        key = (event.picture, event.frame.layers) if isinstance(event, FrameRendered) else object()
        self._waiting.pop(key, None)
        self._waiting[key] = event
        if len(self._waiting) > MAX_WAITING:
            self._waiting.popitem(last=False)
        self._published.set()

    @contextlib.asynccontextmanager
    async def serve(
        self, host: str = "127.0.0.1", port: int = 8080, *, ssl: tls.SSLContext | None = None
    ) -> AsyncIterator[str]:
        """Serve the page for the time of the block, and give its URL.

        Args:
            host: the name or address to listen on; "0.0.0.0" lets the whole network watch.
            port: 0 takes a free one.
            ssl: the certificate to show; plain HTTP if None.

        Raises:
            ListenError: the address is taken, or not of this machine.
        """
        from receiver.viewer.app import build_app

        listener = await open_socket(host, port, option="--viewer")
        server = quiet_server(build_app(self._setting), ssl=ssl, behind_proxy=True)
        self._url = url_of(listener, "https" if ssl else "http")
        self._board.open()
        drawing = asyncio.create_task(self._draw(), name="viewer drawing")
        try:
            async with serving(server, listener, on_end=self._board.close):
                yield self._url
        finally:
            self._url = None
            drawing.cancel()
            await asyncio.gather(drawing, return_exceptions=True)

    async def _draw(self) -> None:
        while True:
            await self._published.wait()
            self._published.clear()
            while self._waiting:
                _, event = self._waiting.popitem(last=False)
                try:
                    self._board.apply(event, await asyncio.to_thread(draw, event))
                except Exception:
                    # One picture that cannot be drawn must not darken the page for all that follow.
                    _logger.exception("an event of picture %s could not be shown", event.picture)
