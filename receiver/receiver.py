"""The receiver as a whole: receives pictures, renders them, emits events.

Server --> Pipeline --sections--> priors --> renderer --> frames
              |                     |                       |
              +--> archive          +-------> events <------+
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, Union

from codec.container.bitstream import Bitstream
from layercast_common.free_memory import return_memory_after
from layercast_common.steady_clock import steady_now
from layercast_common.tasks import BackgroundTasks, notify, repeat
from protocol.connection.events import OfferReceived, ReceiverEvent, SectionReceived
from receiver.archive import ArchiveWriter, label_of
from receiver.change import PictureChange
from receiver.condition import ReceiverCondition
from receiver.drawing import start_drawing, stop_drawing
from receiver.events import Event, FrameRendered
from receiver.metrics import ReceiverMetrics, ReceiverStats
from receiver.options import ArchiveOptions, RenderOptions, Security
from receiver.pictures.drawn_pictures import DrawnPictures, SentPicture
from receiver.pictures.variants import Variants
from receiver.pipeline import Pipeline
from receiver.rendering.frames import Frame
from receiver.replay import redraw
from receiver.server import Server

if TYPE_CHECKING:
    from receiver.rendering.models.model import Model

#: Interval of the check for idle pictures, in seconds.
IDLE_CHECK_SECONDS = 60.0

_DEFAULT_MODEL = "mini"


class Receiver:
    """Receives pictures and renders them as their layers arrive. Use it as `async with`.

    Errors of `on_frame` and `on_event` are logged, and the receiver continues. If one of its own background tasks
    fails, the block is cancelled and the error raised.

    Args:
        listen: the address to listen on, or several; see `Server`.
        on_frame: called in the event loop with every frame.
        on_event: called in the event loop with every event, frames included.
        model: short for `RenderOptions(model=...)`; unless it is "mini", it overrides the model in `render`.
        token: short for `Security(token=...)`.
        render: how to render.
        archive: where to keep streams and pictures, with limits, or just the folder; None keeps nothing.
        security: who may send, how connections are protected, and limits per sender.

    Raises:
        ArchiveError: the archive cannot be created, read or written.
        UsageError: options contradict each other, or there is no address.
    """

    def __init__(
        self,
        listen: str | Sequence[str] = "ws://127.0.0.1:8765",
        *,
        on_frame: Callable[[FrameRendered], None] | None = None,
        on_event: Callable[[Event], None] | None = None,
        model: Union[str, Path, "Model", None] = _DEFAULT_MODEL,
        token: str | None = None,
        render: RenderOptions | None = None,
        archive: ArchiveOptions | Path | str | None = None,
        security: Security | None = None,
    ) -> None:
        render = render or RenderOptions()
        self._render = render if model == _DEFAULT_MODEL else replace(render, model=model)
        if isinstance(archive, Path | str):
            archive = ArchiveOptions(folder=archive)
        self._archive = ArchiveWriter(
            archive.folder if archive else None,
            archive.policy if archive else None,
            in_use=lambda: self._pipeline.names,
        )
        self._pipeline = Pipeline(self._archive, self._emit, steps=render.steps)
        self._server = Server(
            listen, on_event=self._accept_event, token=token, security=security, held=self._archive.holds
        )
        self._on_frame = on_frame
        self._on_event = on_event
        self._drawn = DrawnPictures()
        self._rendered = 0
        self._ready = asyncio.Event()
        self._tasks = BackgroundTasks("the receiver")
        self._variants = Variants(
            self._tasks, self._emit, self._arriving, lambda: self._pipeline.renderer, steps=render.steps
        )
        self._redrawing: asyncio.Task[None] | None = None
        self._stack = contextlib.AsyncExitStack()
        self._condition = ReceiverCondition.LOADING
        self._stopped = False
        self.metrics = ReceiverMetrics(self._stats)

    async def __aenter__(self) -> Self:
        """Listen, load the model, and render one picture to warm up. Senders that connect meanwhile wait.

        Raises:
            RenderError: the model cannot be loaded.
            ListenError: an address cannot be listened on.
            UsageError: an address is malformed.
        """
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(self._archive.close)
            stack.push_async_callback(lambda: stop_drawing(self._pipeline.renderer, at_once=self._stopped))
            # Before the model, which takes seconds to load: a port in use is reported at once.
            await stack.enter_async_context(self._server)
            # If loading fails, events that wait for it must not block the server's shutdown.
            stack.callback(self._ready.set)
            self._pipeline.renderer = await start_drawing(self._render)
            self._condition = ReceiverCondition.OK
            self._ready.set()
            await stack.enter_async_context(self._tasks)
            self._tasks.start(self._archive.maintain(), name="archive maintenance")
            self._tasks.start(repeat(self._pipeline.abandon_idle, IDLE_CHECK_SECONDS), name="idle check")
            if self._pipeline.renderer:
                self._tasks.start(return_memory_after(lambda: self._rendered), name="free memory")
                self._redrawing = self._tasks.start(redraw(self._pipeline, self._archive), name="redrawing")
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening and rendering, and wait until all files are written."""
        self._condition = ReceiverCondition.CLOSED
        self._drawn.close()
        self._stopped = kind is not None and not issubclass(kind, Exception)
        await self._stack.__aexit__(kind, error, trace)

    @property
    def url(self) -> str:
        """The URL for senders, with the port in use; the first of several."""
        return self._server.url

    @property
    def urls(self) -> tuple[str, ...]:
        """All URLs for senders."""
        return self._server.urls

    @property
    def condition(self) -> ReceiverCondition:
        """The present condition."""
        if self._tasks.failure or self._server.failure:
            return ReceiverCondition.FAILED
        if self._condition is ReceiverCondition.OK and self._archive.failing:
            return ReceiverCondition.ARCHIVE_FAILING
        return self._condition

    async def drawn(self, picture: SentPicture | str) -> Frame:
        """Wait until a picture has arrived and its last frame is rendered, and return that frame.

        Args:
            picture: the delivery that `Sender.send` returned, or the receiver's name of the picture, as in events. The
                receiver remembers the last 64 pictures.

        Raises:
            RenderError: the picture cannot be drawn, this receiver renders nothing, or it closed before.
        """
        return await self._drawn.drawn(picture)

    def frames(self) -> AsyncIterator[FrameRendered]:
        """Iterate over the frames of all pictures as they are rendered, until the receiver closes.

        A reader that is more than 256 frames late misses the oldest of them.
        """
        return self._drawn.frames()

    def redraw(self, picture: str, change: PictureChange, stream: Bitstream | None = None) -> int:
        """Draw a variant, a picture with changes, beside the picture itself; return its number.

        Events `VariantDrawn` have its frames. While the picture arrives, further layers are drawn, too.

        Args:
            picture: the picture's name, as in events.
            change: the changes.
            stream: the picture, if it is not arriving now.

        Raises:
            RenderError: this receiver renders nothing, or draws as many variants as it can.
            UsageError: nothing of the picture has arrived, and no stream is given.
        """
        return self._variants.start(picture, change, stream)

    def store_arrival(self, picture: str, recording: bytes) -> None:
        """Store how a picture arrived, beside its stream in the archive; for `ViewerOptions.on_recorded`."""
        self._archive.store_arrival(picture, recording)

    async def drain(self) -> None:
        """Refuse new senders, and wait until every picture in progress has arrived and is rendered."""
        self._condition = ReceiverCondition.DRAINING
        if self._redrawing:
            self._redrawing.cancel()
        self._server.drain()
        await self._pipeline.wait_until_idle()

    async def _accept_event(self, event: ReceiverEvent) -> None:
        await self._ready.wait()
        if self._condition is ReceiverCondition.LOADING:
            return
        if isinstance(event, OfferReceived):
            label = label_of(event.stream_id or event.session.encode(), event.epoch, event.picture_id)
            self._drawn.name(event.session, event.picture_id, label)
        if isinstance(event, SectionReceived):
            self.metrics.count_section(event.layer, len(event.payload))
        await self._pipeline.accept_event(event)

    def _arriving(self, name: str) -> Bitstream | None:
        """Return what has arrived of a picture in progress."""
        return next((one.stream for one in self._pipeline if one.name == name and one.sections), None)

    def _stats(self) -> ReceiverStats:
        ages = [(steady_now() - picture.arrived).total_seconds() for picture in self._pipeline]
        return ReceiverStats(
            sessions=len(self._server.sessions),
            open_pictures=len(ages),
            oldest=max(ages, default=0.0),
            bad_packets=self._server.bad_packets,
            archive=self._archive.stats(),
        )

    def _emit(self, event: Event) -> None:
        self.metrics.count(event)
        self._drawn.accept(event)
        self._variants.accept(event)
        what = f"picture {event.picture}"
        notify(self._on_event, event, what=what)
        if isinstance(event, FrameRendered):
            self._rendered += 1
            notify(self._on_frame, event, what=what)
