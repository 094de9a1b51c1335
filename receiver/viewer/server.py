"""The viewer: takes events and serves the page from the running event loop."""

import asyncio
import contextlib
import logging
import ssl as tls
from collections import OrderedDict
from collections.abc import AsyncIterator
from dataclasses import replace

from layercast_common.http.server import open_socket, quiet_server, serving, url_of
from layercast_common.tasks import BackgroundTasks
from receiver.condition import ReceiverCondition
from receiver.events import Event, FrameRendered
from receiver.viewer.broadcast import Broadcaster
from receiver.viewer.options import ViewerOptions
from receiver.viewer.thumbnails import encode_image

#: Limit of queued events; beyond it, the oldest is dropped. The queue holds at most one frame per picture and level,
#: so only a flood of pictures reaches the limit.
MAX_QUEUED = 256

_log = logging.getLogger(__name__)


class Viewer:
    """Shows pictures as they arrive, in any number of browsers.

        viewer = Viewer(ViewerOptions(address="ws://192.0.2.7:8765"))
        async with viewer.serve("127.0.0.1", 8080) as url:
            viewer.publish(event)

    publish -> queue -> encode_image, in a thread -> Broadcaster: History -> a wake-up for each watcher -> /live

    Args:
        options: what to show, and to whom.
    """

    def __init__(self, options: ViewerOptions | None = None) -> None:
        options = options or ViewerOptions()
        self._receiver_condition = options.condition
        self._options = replace(options, condition=self._condition)
        self._broadcaster = Broadcaster(options.pictures)
        self._queue: OrderedDict[object, Event] = OrderedDict()
        self._published = asyncio.Event()
        self._url: str | None = None
        self._failed = False

    @property
    def url(self) -> str | None:
        """The page's URL while it is served."""
        return self._url

    def publish(self, event: Event) -> None:
        """Show an event to all watchers. Returns at once; call it in the event loop.

        Events are shown in order. A newer frame replaces a queued one of the same picture and level.
        """
        key = (event.picture, event.frame.layers) if isinstance(event, FrameRendered) else object()
        self._queue.pop(key, None)
        self._queue[key] = event
        if len(self._queue) > MAX_QUEUED:
            self._queue.popitem(last=False)
        self._published.set()

    @contextlib.asynccontextmanager
    async def serve(
        self, host: str = "127.0.0.1", port: int = 8080, *, ssl: tls.SSLContext | None = None
    ) -> AsyncIterator[str]:
        """Serve the page while the block runs; yields its URL. If a background task fails, the block is cancelled.

        Args:
            host: the host name or IP address to listen on; "0.0.0.0" for all interfaces.
            port: the port; 0 takes a free one.
            ssl: the certificate; plain HTTP if None.

        Raises:
            ListenError: the address is in use, or does not belong to this machine.
        """
        from receiver.viewer.app import build_app

        listener = await open_socket(host, port, option="--viewer")
        server = quiet_server(build_app(self._options, self._broadcaster), listener, ssl=ssl, behind_proxy=True)
        self._url = url_of(listener, "https" if ssl else "http")
        self._failed = False
        self._broadcaster.open()
        try:
            async with (
                BackgroundTasks("the viewer", on_failure=self._record_failure) as tasks,
                serving(server, listener, on_end=self._broadcaster.close),
            ):
                tasks.start(self._draw(), name="viewer drawing")
                yield self._url
        finally:
            self._url = None

    def _record_failure(self, _: Exception) -> None:
        self._failed = True

    def _condition(self) -> ReceiverCondition:
        return ReceiverCondition.FAILED if self._failed else self._receiver_condition()

    async def _draw(self) -> None:
        while True:
            await self._published.wait()
            self._published.clear()
            while self._queue:
                _, event = self._queue.popitem(last=False)
                try:
                    self._broadcaster.apply(event, await asyncio.to_thread(encode_image, event))
                except Exception:
                    # One picture that cannot be encoded must not stop the page for the following ones.
                    _log.exception("picture %s: an event cannot be shown", event.picture)
