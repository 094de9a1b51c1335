"""The pictures under way: what came of each is decoded, drawn, shown and kept.

offer --> Arrival --sections--> priors --> engine --> frames
             |                                          |
             +-- all of it on disk, and drawn ----------+--> complete
             +-- contradicts itself, too many, broken off --> failed
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from codec.container.bitstream import Header
from codec.layers import Layer, Priors
from layercast_common.errors import BitstreamError, LayercastError, RenderError
from receiver.archive import ArchiveWriter, label_of
from receiver.events import Event, FrameRendered, LayerArrived, PictureCompleted, PictureFailed
from receiver.incoming_picture import IncomingPicture
from receiver.rendering.frames import Frame
from receiver.server import OfferReceived, PictureAborted, PictureDone, ReceiverEvent, SectionReceived

if TYPE_CHECKING:
    from receiver.rendering.engine.renderer import Renderer

_log = logging.getLogger("receiver.pipeline")

#: Pictures that may be under way at once; beyond, the oldest is given up.
MAX_OPEN_PICTURES = 64

#: After so long without a section of it, in seconds, nobody waits for the rest of a picture. Slow links take less; a
#: sender that was started again may have forgotten it, and never tells.
QUIET_SECONDS = 6 * 3600.0

#: A picture of a session: the session's name, and the picture's number.
Key = tuple[str, int]


class Pipeline:
    """Takes what comes of pictures, has it drawn and kept, and tells. Used from one event loop.

    Args:
        keeper: keeps them.
        tell: told of everything that happens to them.
        steps: of a drawing; the model's own number if None.

    Attributes:
        engine: draws them; None to draw nothing.
    """

    def __init__(self, keeper: ArchiveWriter, tell: Callable[[Event], None], *, steps: int | None = None) -> None:
        self.engine: Renderer | None = None
        self._keeper = keeper
        self._tell = tell
        self._steps = steps
        self._open: dict[Key, IncomingPicture] = {}
        #: Pictures that are no longer drawn, and still arrive; as many as senders may have open.
        self._given_up: dict[Key, IncomingPicture] = {}
        self._ended = asyncio.Event()

    def __iter__(self) -> Iterator[IncomingPicture]:
        """Those that are not given up."""
        return iter(self._open.values())

    @property
    def names(self) -> frozenset[str]:
        """Our names of all of them."""
        return frozenset(picture.name for picture in (*self._open.values(), *self._given_up.values()))

    async def wait_until_none(self) -> None:
        """Wait until every picture has arrived and is drawn, or is given up."""
        while self._open:
            self._ended.clear()
            await self._ended.wait()

    def give_up_quiet(self) -> None:
        """Wait no longer for the pictures of which nothing came for long; what still comes of them is kept."""
        for key, picture in list(self._open.items()):
            if not picture.delivered and _now() - picture.heard_at >= QUIET_SECONDS:
                self._give_up(key, "nothing more of it came for hours")

    async def take(self, event: ReceiverEvent) -> None:
        """Take what came.

        Raises:
            UsageError: a picture that is complete cannot be kept; then its sender must not hear that it arrived.
        """
        match event:
            case OfferReceived(stream_id=stream, session=session):
                # A sender that does not tell who it is cannot be known again.
                label = label_of(stream or session.encode(), event.epoch, event.picture_id)
                self.open(event, label)
            case SectionReceived():
                await self._add(event)
            case PictureDone(session=session, picture_id=image):
                if given_up := self._given_up.pop((session, image), None):
                    await self._keeper.store(given_up)
                elif picture := self._open.get((session, image)):
                    await self._deliver((session, image), picture, event.received)
            case PictureAborted(session=session, picture_id=image):
                if given_up := self._given_up.pop((session, image), None):
                    self._keeper.keep_part(given_up)
                elif picture := self._open.get((session, image)):
                    self._fail((session, image), event.reason)
                    self._keeper.keep_part(picture)

    def open(self, offer: OfferReceived, name: str) -> IncomingPicture | None:
        """Begin a picture; None if its head tells nothing."""
        try:
            header = Header.parse(offer.head)
        except BitstreamError as error:
            _log.warning("picture %s: %s", name, error)
            return None
        if self.engine and (difference := self.engine.describe_mismatch(header.model)):
            _log.warning("picture %s: %s", name, difference)
        if len(self._open) >= MAX_OPEN_PICTURES:
            self._stop_oldest()
        picture = self._open[offer.session, offer.picture_id] = IncomingPicture(name, header, datetime.now(UTC), _now())
        self._tell(picture.opened(offer))
        return picture

    async def _add(self, event: SectionReceived) -> None:
        key = (event.session, event.picture_id)
        if given_up := self._given_up.get(key):
            given_up.add(event)
        picture = self._open.get(key)
        if picture is None:
            return
        picture.heard_at = _now()
        if not picture.add(event):
            return
        try:
            # Tens of milliseconds of arithmetic, during which other senders and watchers shall not wait.
            priors = await asyncio.to_thread(picture.stream.decode)
        except BitstreamError as error:
            if self._open.get(key) is picture:
                self._give_up(key, f"a section cannot be decoded: {error}")
            return
        if self._open.get(key) is not picture:
            return
        self._tell(
            LayerArrived(
                picture=picture.name, layer=Layer(event.layer), priors=priors, received=event.received, at=_now()
            )
        )
        self._draw(key, picture, priors)

    async def _deliver(self, key: Key, picture: IncomingPicture, received: int) -> None:
        """Keep a picture of which everything came.

        Raises:
            UsageError: it cannot be kept; its sender will offer it again.
        """
        try:
            await self._keeper.store(picture)
        except LayercastError as error:
            if self._is_open(key, picture):
                self._fail(key, f"it cannot be kept: {error}")
            raise
        picture.delivered = True
        picture.received = received
        if not self._is_open(key, picture):
            return
        if picture.drawing is None and self.engine:
            self._fail(key, "nothing in it can be drawn by this version")
        else:
            self._finish_if_drawn(key, picture)

    def _is_open(self, key: Key, picture: IncomingPicture) -> bool:
        """Whether a picture was not given up while it was brought to disk."""
        self._given_up.pop(key, None)
        return self._open.get(key) is picture

    def _draw(self, key: Key, picture: IncomingPicture, priors: Priors) -> None:
        if self.engine is None:
            return
        loop = asyncio.get_running_loop()

        def in_loop(call: Callable[[], None]) -> None:
            # From the engine's thread, which may outlive the loop by a moment.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(call)

        def on_frame(frame: Frame) -> None:
            in_loop(lambda: self._show(picture, frame))

        try:
            picture.drawing = self.engine.submit(
                picture.name, priors, picture.header.seed, on_frame, self._steps, session=key[0]
            )
        except RenderError as error:
            self._give_up(key, f"it cannot be drawn: {error}")
            return
        picture.drawing.add_done_callback(lambda drawing: in_loop(lambda: self._drawn(key, picture, drawing)))

    def _show(self, picture: IncomingPicture, frame: Frame) -> None:
        if not picture.wants(frame):
            return
        picture.shown = True
        self._tell(FrameRendered(picture=picture.name, frame=frame, at=_now()))
        if frame.final:
            self._keeper.keep_level(picture, frame)

    def _drawn(self, key: Key, picture: IncomingPicture, drawing: "Future[Frame]") -> None:
        if drawing is not picture.drawing or drawing.cancelled() or self._open.get(key) is not picture:
            return
        if error := drawing.exception():
            self._give_up(key, f"it cannot be drawn: {error}")
        else:
            self._finish_if_drawn(key, picture)

    def _finish_if_drawn(self, key: Key, picture: IncomingPicture) -> None:
        drawing = picture.drawing
        drawn = self.engine is None or (drawing is not None and drawing.done() and not drawing.cancelled())
        if not (picture.delivered and drawn):
            return
        del self._open[key]
        self._ended.set()
        self._tell(PictureCompleted(picture=picture.name, received=picture.received, at=_now()))

    def _stop_oldest(self) -> None:
        key, picture = next(iter(self._open.items()))
        self._give_up(key, "too many pictures are under way")
        if self.engine:
            self.engine.cancel(picture.name)

    def _give_up(self, key: Key, reason: str) -> None:
        """Draw nothing more of a picture; what still comes of it is kept all the same."""
        picture = self._open[key]
        self._fail(key, reason)
        if not picture.delivered:
            self._given_up[key] = picture

    def _fail(self, key: Key, reason: str) -> None:
        picture = self._open.pop(key)
        self._ended.set()
        self._tell(PictureFailed(picture=picture.name, reason=reason, at=_now()))


def _now() -> float:
    return asyncio.get_running_loop().time()
