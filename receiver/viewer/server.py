"""The viewer: takes events and serves the page from the running event loop."""

import asyncio
import contextlib
import logging
import ssl as tls
from collections import OrderedDict
from collections.abc import AsyncIterator
from dataclasses import replace

from PIL import Image

from layercast_common.errors import StorageError
from layercast_common.http.server import open_socket, quiet_server, serving, url_of
from layercast_common.tasks import BackgroundTasks, notify
from receiver.condition import ReceiverCondition
from receiver.events import Event, FrameRendered, PictureCompleted, VariantDrawn
from receiver.viewer.broadcast import Broadcaster
from receiver.viewer.options import ViewerOptions
from receiver.viewer.pictures.history import (
    with_original,
    with_past,
    with_picture,
    with_rivals,
)
from receiver.viewer.pictures.recording import recording_to_bytes
from receiver.viewer.pictures.state import PictureState
from receiver.viewer.pictures.thumbnails import encode_image
from receiver.viewer.shown import Shown

#: Limit of queued events; beyond it, the oldest is dropped. The queue holds at most one frame per picture and level,
#: so only a flood of pictures reaches the limit.
MAX_QUEUED = 256

#: Limit of originals that wait for their picture's first event.
MAX_ORIGINALS = 64

#: Pictures of the archive that the page shows after a start.
PAST_PICTURES = 12

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
        self._shown = Shown(self._broadcaster, options.library)
        self._queue: OrderedDict[object, Event] = OrderedDict()
        self._published = asyncio.Event()
        self._drawn = asyncio.Event()
        self._originals: dict[str, Image.Image] = {}
        self._url: str | None = None
        self._failed = False

    @property
    def url(self) -> str | None:
        """The page's URL while it is served."""
        return self._url

    @property
    def watchers(self) -> int:
        """Number of pages that follow the live channel."""
        return self._broadcaster.watchers

    async def wait_for_watcher(self) -> None:
        """Wait until a page follows the live channel, or has done so."""
        await self._broadcaster.watched.wait()

    def publish(self, event: Event) -> None:
        """Show an event to all watchers. Returns at once; call it in the event loop.

        Events are shown in order. A newer frame replaces a queued one of the same picture and level, or variant.
        """
        match event:
            case FrameRendered(frame=frame):
                key: object = event.picture, frame.layers
            case VariantDrawn(number=number):
                key = event.picture, number
            case _:
                key = object()
        self._queue.pop(key, None)
        self._queue[key] = event
        if len(self._queue) > MAX_QUEUED:
            self._queue.popitem(last=False)
        self._published.set()

    def show_original(self, picture: str, image: Image.Image) -> None:
        """Show the original beside a picture, and what other formats would show of it. Returns at once.

        Args:
            picture: the picture's name, from its `PictureOpened`.
            image: PIL image; it is fitted to the picture's canvas.
        """
        self._originals[picture] = image
        if len(self._originals) > MAX_ORIGINALS:
            del self._originals[next(iter(self._originals))]
        self._published.set()
        self._drawn.set()

    def show_recording(self, picture: PictureState, *, autoplay: bool = True) -> None:
        """Show a recorded arrival as the newest picture. Call it in the event loop.

        Args:
            picture: the recorded arrival.
            autoplay: whether the page plays it by itself.
        """
        self._broadcaster.update(with_picture(self._broadcaster.history, replace(picture, autoplay=autoplay)))

    def refresh(self) -> None:
        """Send the receiver's address and note to all watchers again."""
        self._broadcaster.wake_all()

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
        app = build_app(self._options, self._broadcaster, self._shown)
        server = quiet_server(app, listener, ssl=ssl, behind_proxy=True)
        self._url = url_of(listener, "https" if ssl else "http")
        self._failed = False
        self._broadcaster.open()
        try:
            async with (
                BackgroundTasks("the viewer", on_failure=self._record_failure) as tasks,
                serving(server, listener, on_end=self._broadcaster.close),
            ):
                tasks.start(self._draw(), name="viewer drawing")
                tasks.start(self._load_past(), name="loading of the archive's newest pictures")
                tasks.start(self._compare(), name="comparison with other formats")
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
                    await self._after(event)
                except Exception:
                    # One picture that cannot be encoded must not stop the page for the following ones.
                    _log.exception("picture %s: an event cannot be shown", event.picture)
                self._drawn.set()

    async def _after(self, event: Event) -> None:
        if isinstance(event, FrameRendered) and event.frame.final:
            self._shown.keep_final(event.picture, event.frame.image)
        picture = self._broadcaster.history.picture(event.picture)
        if isinstance(event, PictureCompleted) and picture and self._options.on_recorded:
            recording = await asyncio.to_thread(recording_to_bytes, picture)
            notify(lambda data: self._record(event.picture, data), recording, what=f"picture {event.picture}")

    def _record(self, name: str, recording: bytes) -> None:
        if self._options.on_recorded:
            self._options.on_recorded(name, recording)

    async def _load_past(self) -> None:
        count = min(PAST_PICTURES, self._options.pictures) if self._options.preload else 0
        try:
            past = await self._shown.load_past(count)
        except StorageError as error:
            _log.warning("the archive's pictures cannot be shown: %s", error)
            return
        if past:
            self._broadcaster.update(with_past(self._broadcaster.history, past))

    async def _compare(self) -> None:
        """Encode originals, and compute what other formats show, one section at a time: frames are more urgent."""
        while True:
            await self._drawn.wait()
            self._drawn.clear()
            for picture in self._broadcaster.history.pictures:
                try:
                    await self._compare_picture(picture)
                except Exception:
                    _log.exception("picture %s: the comparison with other formats failed", picture.id)

    async def _compare_picture(self, picture: PictureState) -> None:
        # Only now: the page of a recorded arrival is served without numpy.
        from receiver.viewer.pictures.rivals import copy_original, next_rivals

        if image := self._originals.pop(picture.id, None):
            original = await asyncio.to_thread(copy_original, image, picture.opened.canvas)
            self._broadcaster.update(with_original(self._broadcaster.history, picture.id, original))
        while current := self._broadcaster.history.picture(picture.id):
            stages = await asyncio.to_thread(next_rivals, current)
            if not stages:
                return
            self._broadcaster.update(with_rivals(self._broadcaster.history, picture.id, stages))
