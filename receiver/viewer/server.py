"""The viewer: takes events in, serves the page from the running event loop."""

import asyncio
import contextlib
import logging
import socket
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from typing import TYPE_CHECKING

from layercast_errors import ListenError
from receiver.events import Event, FrameRendered
from receiver.permissions import Permissions
from receiver.viewer.board import Board
from receiver.viewer.drawings import draw
from receiver.viewer.history import HISTORY_LIMIT
from receiver.viewer.live import Setting

if TYPE_CHECKING:
    from uvicorn import Server

#: Events that may wait for their drawing. Frames wait at most one per picture and level, so that only a flood of
#: pictures comes near it; beyond, the oldest is dropped.
MAX_WAITING = 256

#: Watchers get this long, in seconds, to take the end of their stream before their connection is cut.
GRACE = 0.5

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
        self._board = Board(pictures)
        self._setting = Setting(
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
    async def serve(self, host: str = "127.0.0.1", port: int = 8080) -> AsyncIterator[str]:
        """Serve the page for the time of the block, and give its URL.

        Args:
            host: the name or address to listen on; "0.0.0.0" lets the whole network watch.
            port: 0 takes a free one.

        Raises:
            ListenError: the address is taken, or not of this machine.
        """
        listener = await _listen(host, port)
        server = _server(self._setting)
        self._url = _url(listener)
        self._board.open()
        drawing = asyncio.create_task(self._draw(), name="viewer drawing")
        serving = asyncio.create_task(server.serve(sockets=[listener]), name="viewer serving")
        try:
            yield self._url
        finally:
            self._url = None
            drawing.cancel()
            server.should_exit = True
            self._board.close()
            await asyncio.wait([serving], timeout=GRACE)
            for connection in list(server.server_state.connections):
                # A watcher that takes nothing any more would hold up the end for as long as it likes.
                if connection.transport is not None:
                    connection.transport.abort()
            await asyncio.gather(drawing, serving, return_exceptions=True)

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


async def _listen(host: str, port: int) -> socket.socket:
    loop = asyncio.get_running_loop()
    listener = None
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        # "localhost" is both; browsers try both, other programs often only the older one.
        family, kind, protocol, _, address = min(found, key=lambda one: one[0] != socket.AF_INET)
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # The port as asked for: look-ups take it modulo 65,536.
        listener.bind((address[0], port, *address[2:]))
        listener.listen()
    except (OSError, OverflowError) as error:
        if listener is not None:
            listener.close()
        reason = getattr(error, "strerror", None) or error
        raise ListenError(f"the viewer cannot listen on {host}:{port} ({reason}); choose another --viewer") from error
    return listener


def _url(listener: socket.socket) -> str:
    name, port = listener.getsockname()[:2]
    if name in ("0.0.0.0", "::"):  # noqa: S104 - compared with, not bound to
        name = "localhost"
    elif ":" in name:
        name = f"[{name}]"
    return f"http://{name}:{port}/"


def _server(setting: Setting) -> "Server":
    import uvicorn

    from receiver.viewer.app import build_app

    class QuietServer(uvicorn.Server):
        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            """Signals belong to the program around."""
            yield

    config = uvicorn.Config(
        build_app(setting), lifespan="off", ws="none", log_config=None, access_log=False, server_header=False
    )
    return QuietServer(config)
