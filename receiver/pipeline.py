"""The pictures in progress: their sections are decoded, rendered, shown and archived.

offer --> IncomingPicture --sections--> priors --> renderer --> frames
             |                                                    |
             +-- stream stored and final frame rendered ----------+--> PictureCompleted
             +-- inconsistent, too many, or interrupted --> PictureFailed
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING

from codec.container.bitstream import Header
from codec.layers import Priors
from layercast_common.errors import BitstreamError, LayercastError, RenderError
from layercast_common.tasks import call_in_loop
from protocol.connection.events import OfferReceived, PictureAborted, PictureDone, ReceiverEvent, SectionReceived
from receiver.archive import ArchiveWriter, label_of
from receiver.events import Event, FrameRendered, LayerArrived, PictureCompleted, PictureFailed
from receiver.pictures.incoming_picture import IncomingPicture
from receiver.pictures.unread_pictures import UnreadPictures
from receiver.rendering.frames import Frame

if TYPE_CHECKING:
    from receiver.rendering.engine.renderer import Renderer

_log = logging.getLogger(__name__)

#: Limit of pictures in progress; beyond it, the oldest is abandoned.
MAX_OPEN_PICTURES = 64

#: Timeout of a picture without a new section, in seconds: for senders that restarted and forgot it.
IDLE_SECONDS = 6 * 3600.0

#: Identity of a picture: its session's name, and its number within the session.
PictureKey = tuple[str, int]


class Pipeline:
    """Decodes, renders and archives pictures, and emits events. Use it from one event loop.

    Args:
        archive: stores the pictures.
        emit: called with every event.
        steps: denoising steps; the model's own number if None.

    Attributes:
        renderer: renders the pictures; None to render nothing.
    """

    def __init__(self, archive: ArchiveWriter, emit: Callable[[Event], None], *, steps: int | None = None) -> None:
        self.renderer: Renderer | None = None
        self._archive = archive
        self._emit = emit
        self._steps = steps
        self._open: dict[PictureKey, IncomingPicture] = {}
        #: Pictures that are no longer rendered but still arrive and are archived. Senders' limits bound their number.
        self._abandoned: dict[PictureKey, IncomingPicture] = {}
        self._unread = UnreadPictures(archive)
        self._ended = asyncio.Event()

    def __iter__(self) -> Iterator[IncomingPicture]:
        """Iterate over the pictures in progress, without the abandoned ones."""
        return iter(self._open.values())

    @property
    def names(self) -> frozenset[str]:
        """The names of all pictures in progress, abandoned ones included."""
        return frozenset(picture.name for picture in (*self._open.values(), *self._abandoned.values()))

    async def wait_until_idle(self) -> None:
        """Wait until every picture is complete, failed or abandoned."""
        while self._open:
            self._ended.clear()
            await self._ended.wait()

    def abandon_idle(self) -> None:
        """Abandon the pictures that received nothing for `IDLE_SECONDS`. Late sections are still archived."""
        for key, picture in list(self._open.items()):
            if not picture.delivered and _now() - picture.updated_at >= IDLE_SECONDS:
                self._abandon(key, "no data arrived for hours")

    async def accept_event(self, event: ReceiverEvent) -> None:
        """Process an event of a connection.

        Raises:
            ArchiveError: a complete picture cannot be stored, so it must not be acknowledged.
            BitstreamError: this version can neither read nor keep the picture, so it must be refused.
        """
        if await self._unread.accept_event(event):
            return
        match event:
            case OfferReceived(stream_id=stream_id, session=session):
                # Senders without a stream id cannot be deduplicated.
                self.open(event, label_of(stream_id or session.encode(), event.epoch, event.picture_id))
            case SectionReceived():
                await self._add_section(event)
            case PictureDone(session=session, picture_id=image):
                if abandoned := self._abandoned.pop((session, image), None):
                    await self._archive.store(abandoned.name, abandoned.arrived, abandoned.stream)
                elif picture := self._open.get((session, image)):
                    await self._complete_delivery((session, image), picture, event.received)
            case PictureAborted(session=session, picture_id=image):
                if abandoned := self._abandoned.pop((session, image), None):
                    self._archive.store_part(abandoned.name, abandoned.arrived, abandoned.stream)
                elif picture := self._open.get((session, image)):
                    self._fail((session, image), event.reason)
                    self._archive.store_part(picture.name, picture.arrived, picture.stream)

    def open(self, offer: OfferReceived, name: str) -> IncomingPicture | None:
        """Open a picture; None if its header cannot be read, but the archive keeps its bytes.

        Raises:
            BitstreamError: there is no archive either.
        """
        try:
            header = Header.parse(offer.head)
        except BitstreamError as error:
            if not self._unread.open(offer, name):
                raise
            _log.warning("picture %s is only archived: %s", name, error)
            return None
        if self.renderer and (difference := self.renderer.describe_mismatch(header.model)):
            _log.warning("picture %s: %s", name, difference)
        if len(self._open) >= MAX_OPEN_PICTURES:
            oldest, abandoned = next(iter(self._open.items()))
            self._abandon(oldest, "too many pictures are in progress")
            if self.renderer:
                self.renderer.cancel(abandoned.name)
        picture = IncomingPicture.of(offer, name, header, _now())
        self._open[offer.session, offer.picture_id] = picture
        self._emit(picture.opened(offer))
        return picture

    async def _add_section(self, event: SectionReceived) -> None:
        key = (event.session, event.picture_id)
        if abandoned := self._abandoned.get(key):
            abandoned.add(event)
        picture = self._open.get(key)
        if picture is None:
            return
        picture.updated_at = _now()
        try:
            layers = picture.add(event)
        except BitstreamError as error:
            self._fail(key, str(error))
            raise
        if not layers:
            return
        try:
            # Decoding takes tens of milliseconds, too long for the event loop.
            priors = await asyncio.to_thread(picture.stream.decode)
        except BitstreamError as error:
            if self._open.get(key) is picture:
                self._abandon(key, f"a section cannot be decoded: {error}")
            return
        if self._open.get(key) is not picture:
            return
        for layer in layers:
            self._emit(
                LayerArrived(picture=picture.name, layer=layer, priors=priors, received=event.received, at=_now())
            )
        self._render(key, picture, priors)

    async def _complete_delivery(self, key: PictureKey, picture: IncomingPicture, received: int) -> None:
        """Store a picture whose sections all arrived.

        Raises:
            ArchiveError: it cannot be stored; its sender will offer it again.
        """
        try:
            await self._archive.store(picture.name, picture.arrived, picture.stream)
        except LayercastError as error:
            if self._is_open(key, picture):
                self._fail(key, f"the archive cannot store it: {error}")
            raise
        picture.delivered = True
        picture.received = received
        if not self._is_open(key, picture):
            return
        if picture.rendering is None and self.renderer:
            self._fail(key, "this version cannot render any of its layers")
        else:
            self._complete_if_rendered(key, picture)

    def _is_open(self, key: PictureKey, picture: IncomingPicture) -> bool:
        """Return whether a picture is still open after an await; forget it if it was abandoned meanwhile."""
        self._abandoned.pop(key, None)
        return self._open.get(key) is picture

    def _render(self, key: PictureKey, picture: IncomingPicture, priors: Priors) -> None:
        if self.renderer is None:
            return
        in_loop = partial(call_in_loop, asyncio.get_running_loop())
        try:
            picture.rendering = self.renderer.submit(
                picture.name,
                priors,
                picture.header.seed,
                lambda frame: in_loop(lambda: self._show(picture, frame)),
                self._steps,
                session=key[0],
            )
            picture.rendering.add_done_callback(lambda done: in_loop(lambda: self._on_rendered(key, picture, done)))
        except RenderError as error:
            self._abandon(key, f"it cannot be rendered: {error}")

    def _show(self, picture: IncomingPicture, frame: Frame) -> None:
        if not picture.improves(frame):
            return
        picture.shown = True
        self._emit(FrameRendered(picture=picture.name, frame=frame, at=_now()))
        if frame.final:
            self._archive.store_level(picture.name, picture.arrived, frame.level, frame.image)

    def _on_rendered(self, key: PictureKey, picture: IncomingPicture, done: "Future[Frame]") -> None:
        if done is not picture.rendering or done.cancelled() or self._open.get(key) is not picture:
            return
        if error := done.exception():
            self._abandon(key, f"it cannot be rendered: {error}")
        else:
            self._complete_if_rendered(key, picture)

    def _complete_if_rendered(self, key: PictureKey, picture: IncomingPicture) -> None:
        rendering = picture.rendering
        rendered = self.renderer is None or (rendering is not None and rendering.done() and not rendering.cancelled())
        if not (picture.delivered and rendered):
            return
        del self._open[key]
        self._ended.set()
        stream = picture.stream.to_bytes()
        self._emit(PictureCompleted(picture=picture.name, received=picture.received, at=_now(), stream=stream))

    def _abandon(self, key: PictureKey, reason: str) -> None:
        """Stop rendering a picture. Its remaining sections are still received and archived."""
        picture = self._open[key]
        self._fail(key, reason)
        if not picture.delivered:
            self._abandoned[key] = picture

    def _fail(self, key: PictureKey, reason: str) -> None:
        self._ended.set()
        self._emit(PictureFailed(picture=self._open.pop(key).name, reason=reason, at=_now()))


def _now() -> float:
    return asyncio.get_running_loop().time()
