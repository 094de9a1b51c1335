"""The receiver as a whole: takes pictures in, draws them, tells what happens.

Intake --> sections so far --> priors --> Engine --> frames
                                 |                     |
                                 +-----> events <------+----> archive
"""

import asyncio
import contextlib
import logging
import ssl as tls
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Union

import numpy as np

from codec.bitstream import Header
from codec.encoding import encode
from codec.layers import Layer, Priors, Semantic
from layercast_errors import BitstreamError, UsageError
from protocol.limits import Limits
from protocol.seals import SharedKey
from receiver.archive import label_of
from receiver.arrival import KNOWN_LAYERS, Arrival
from receiver.events import (
    Event,
    FrameRendered,
    LayerArrived,
    PictureCompleted,
    PictureFailed,
    PictureOpened,
    SectionSize,
)
from receiver.intake import ImageDone, ImageFailed, Intake, OfferReceived, ReceiverEvent, SectionReceived
from receiver.keeping import Keeper
from receiver.metrics import Figures, Metrics
from receiver.permissions import Permissions
from receiver.rendering.frames import Frame
from receiver.rendering.settings import Tuning
from receiver.replay import offer_of, sections_of

if TYPE_CHECKING:
    from receiver.rendering.models import Model
    from receiver.rendering.renderer import Renderer

_log = logging.getLogger("receiver.session")

#: Pictures that may be under way at once; beyond, the oldest is given up.
MAX_OPEN_PICTURES = 64

#: Canvas side of the picture that is drawn once before anything arrives, in pixels.
WARM_UP_SIDE = 256


class Receiver:
    """Takes pictures from senders and draws them as their layers arrive. Use it as `async with`.

    Args:
        listen: the address to listen on, or several; see `Intake`.
        token: what senders must know; None takes anyone.
        permissions: instead of a token, which tokens may send which streams.
        model: a registered name, a hub id, a local folder, or a loaded model; None draws nothing and only keeps what
            comes.
        device: "auto", "cpu", "cuda", "cuda:1", "mps".
        performance: how the model is run, see `receiver.rendering.Performance`.
        replicas: engines on a Ray cluster to draw with; 0 draws in this process.
        tuning: what is wanted otherwise than the model's own settings have it.
        steps: denoising steps; the model's own number if None.
        archive: a folder to keep streams and pictures in. A sender hears that a picture arrived only once it is safe on
            disk there; what is there already is not taken in again, and what could not be drawn before is drawn.
        on_frame: called in the event loop with every frame.
        on_event: called in the event loop with everything that happens, frames included.
        ssl, trust: for secure addresses, the certificate to show, and those to trust in a broker.
        origins: the web pages that may send from a browser.
        ice_servers: STUN and TURN servers for WebRTC; none are needed within one network.
        shared_key: what packets are signed with where there is no TLS; senders must have the same.
        limits: what senders may make us hold or wait for.

    Raises:
        UsageError: the token could never be sent, the number of steps makes no sense, or there can be no such archive.
    """

    def __init__(
        self,
        listen: str | Sequence[str] = "ws://127.0.0.1:8765",
        *,
        token: str | None = None,
        permissions: Permissions | None = None,
        model: Union[str, Path, "Model", None] = "mini",
        device: str = "auto",
        performance: str = "auto",
        replicas: int = 0,
        tuning: Tuning | None = None,
        steps: int | None = None,
        archive: Path | str | None = None,
        on_frame: Callable[[FrameRendered], None] | None = None,
        on_event: Callable[[Event], None] | None = None,
        ssl: tls.SSLContext | None = None,
        trust: tls.SSLContext | None = None,
        origins: Sequence[str] = (),
        ice_servers: Sequence[str] = (),
        shared_key: SharedKey | None = None,
        limits: Limits | None = None,
    ) -> None:
        if steps is not None and steps < 1:
            raise UsageError(f"a picture takes at least one step, not {steps}")
        self._keeper = Keeper(archive)
        self._intake = Intake(
            listen,
            on_event=self._take,
            token=token,
            permissions=permissions,
            held=self._keeper.holds,
            ssl=ssl,
            trust=trust,
            origins=origins,
            ice_servers=ice_servers,
            shared_key=shared_key,
            limits=limits,
        )
        self._model = model
        self._device = device
        self._performance = performance
        self._replicas = replicas
        self._tuning = tuning
        self._steps = steps
        self._on_frame = on_frame
        self._on_event = on_event
        self._pictures: dict[tuple[str, int], Arrival] = {}
        #: Pictures that are no longer drawn, and still arrive; as many as senders may have open.
        self._given_up: dict[tuple[str, int], Arrival] = {}
        self._engine: Renderer | None = None
        self._ready = asyncio.Event()
        self._redrawing: asyncio.Task[None] | None = None
        self._condition = "loading"
        self._ended = asyncio.Event()
        self.metrics = Metrics(self._figures)

    async def __aenter__(self) -> "Receiver":
        """Listen, load the model, and draw one picture to warm up; senders that come meanwhile wait.

        Raises:
            RenderError: the model cannot be had.
            ListenError: the address cannot be listened on.
            UsageError: it is no address.
        """
        self._loop = asyncio.get_running_loop()
        # Before the model, which takes seconds to load: a taken port should be told at once.
        await self._intake.__aenter__()
        try:
            if self._model is not None:
                self._engine = await asyncio.to_thread(self._start_engine, self._model)
        except BaseException as error:
            self._ready.set()
            await self._intake.__aexit__(type(error), error, error.__traceback__)
            raise
        self._condition = "ok"
        self._ready.set()
        if self._engine:
            self._redrawing = asyncio.create_task(self._redraw(), name="drawing what the archive holds")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening, stop drawing, and wait for files that are being written."""
        self._condition = "closed"
        if self._redrawing:
            self._redrawing.cancel()
        try:
            await self._intake.__aexit__(kind, error, trace)
        finally:
            if self._engine:
                await asyncio.to_thread(self._engine.close)
            await self._keeper.finish()

    @property
    def url(self) -> str:
        """Where senders reach us, with the port that was really bound; the first of several addresses."""
        return self._intake.url

    @property
    def urls(self) -> tuple[str, ...]:
        """All addresses where senders reach us."""
        return self._intake.urls

    @property
    def condition(self) -> str:
        """How we are: "loading", "ok", "draining" or "closed"."""
        return self._condition

    async def drain(self) -> None:
        """Take no new senders, and wait until every picture that is under way has arrived and is drawn."""
        self._condition = "draining"
        if self._redrawing:
            self._redrawing.cancel()
        self._intake.close_doors()
        while self._pictures:
            self._ended.clear()
            await self._ended.wait()

    def _start_engine(self, model: Union[str, Path, "Model"]) -> "Renderer":
        """Everything slow that a first picture would otherwise wait for: weights, compiled coders, first kernels."""
        from receiver.rendering.renderer import start_renderer

        blank = np.zeros((WARM_UP_SIDE, WARM_UP_SIDE, 3), np.uint8)
        encode(blank, "warm up").decode()
        engine = start_renderer(
            model, self._device, performance=self._performance, replicas=self._replicas, tuning=self._tuning
        )
        canvas = (WARM_UP_SIDE, WARM_UP_SIDE)
        try:
            engine.submit("warm up", Priors(canvas, Semantic("warm up")), 0, lambda _: None, self._steps).result()
        except BaseException:
            engine.close()
            raise
        return engine

    async def _take(self, event: ReceiverEvent) -> None:
        await self._ready.wait()
        if self._condition == "loading":
            return
        match event:
            case OfferReceived(stream=stream, session=session):
                # A sender that does not tell who it is cannot be known again.
                label = label_of(stream or session.encode(), event.epoch, event.image)
                self._open(event, label, datetime.now(UTC))
            case SectionReceived():
                self.metrics.count_section(event.layer, len(event.payload))
                await self._add(event)
            case ImageDone(session=session, image=image):
                if given_up := self._given_up.pop((session, image), None):
                    await self._keeper.store(given_up)
                elif picture := self._pictures.get((session, image)):
                    await self._keeper.store(picture)
                    picture.delivered = True
                    picture.received = event.received
                    if picture.drawing is None and self._engine:
                        self._give_up((session, image), "nothing in it can be drawn by this version")
                    else:
                        self._finish_if_drawn((session, image), picture)
            case ImageFailed(session=session, image=image):
                if given_up := self._given_up.pop((session, image), None):
                    self._keeper.keep_part(given_up)
                elif (session, image) in self._pictures:
                    self._give_up((session, image), event.reason, broken_off=True)

    def _open(self, offer: OfferReceived, name: str, began: datetime) -> bool:
        """Begin a picture; false if its head tells nothing."""
        try:
            header = Header.parse(offer.head)
        except BitstreamError as error:
            _log.warning("picture %s: %s", name, error)
            return False
        if self._engine and (difference := self._engine.tell_difference(header.model)):
            _log.warning("picture %s: %s", name, difference)
        if len(self._pictures) >= MAX_OPEN_PICTURES:
            self._stop_oldest()
        self._pictures[offer.session, offer.image] = Arrival(name, header, began)
        self._tell(
            PictureOpened(
                picture=name,
                canvas=header.canvas,
                model=header.model,
                seed=header.seed,
                sections=tuple(
                    SectionSize(layer=Layer(section.layer), size=section.size)
                    for section in offer.sections
                    if section.layer in KNOWN_LAYERS
                ),
                rate=offer.rate,
                jpeg_size=offer.jpeg_size,
                at=self._loop.time(),
            )
        )
        return True

    async def _add(self, event: SectionReceived) -> None:
        key = (event.session, event.image)
        if given_up := self._given_up.get(key):
            given_up.add(event)
        picture = self._pictures.get(key)
        if picture is None or not picture.add(event):
            return
        try:
            # Tens of milliseconds of arithmetic, during which other senders and watchers shall not wait.
            priors = await asyncio.to_thread(picture.stream.decode)
        except BitstreamError as error:
            self._give_up(key, f"a section cannot be decoded: {error}")
            return
        if self._pictures.get(key) is not picture:
            return
        self._tell(
            LayerArrived(
                picture=picture.name,
                layer=Layer(event.layer),
                priors=priors,
                received=event.received,
                at=self._loop.time(),
            )
        )
        self._draw(key, picture, priors)

    def _draw(self, key: tuple[str, int], picture: Arrival, priors: Priors) -> None:
        if self._engine is None:
            return

        def on_frame(frame: Frame) -> None:
            self._in_loop(lambda: self._show(picture, frame))

        picture.drawing = self._engine.submit(
            picture.name, priors, picture.header.seed, on_frame, self._steps, session=key[0]
        )
        picture.drawing.add_done_callback(lambda drawing: self._in_loop(lambda: self._drawn(key, picture, drawing)))

    def _in_loop(self, call: Callable[[], None]) -> None:
        """Run `call` in the event loop; from the engine's thread, which may outlive the loop by a moment."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(call)

    def _show(self, picture: Arrival, frame: Frame) -> None:
        if not picture.wants(frame):
            return
        picture.shown = True
        event = FrameRendered(picture=picture.name, frame=frame, at=self._loop.time())
        self._tell(event)
        if self._on_frame:
            self._on_frame(event)
        if frame.final:
            self._keeper.keep_level(picture, frame)

    def _drawn(self, key: tuple[str, int], picture: Arrival, drawing: "Future[Frame]") -> None:
        if drawing is not picture.drawing or drawing.cancelled() or self._pictures.get(key) is not picture:
            return
        if error := drawing.exception():
            self._give_up(key, f"it cannot be drawn: {error}")
        else:
            self._finish_if_drawn(key, picture)

    def _finish_if_drawn(self, key: tuple[str, int], picture: Arrival) -> None:
        drawing = picture.drawing
        drawn = self._engine is None or (drawing is not None and drawing.done() and not drawing.cancelled())
        if not (picture.delivered and drawn):
            return
        del self._pictures[key]
        self._ended.set()
        self._tell(PictureCompleted(picture=picture.name, received=picture.received, at=self._loop.time()))

    def _stop_oldest(self) -> None:
        key, picture = next(iter(self._pictures.items()))
        self._give_up(key, "too many pictures are under way")
        if self._engine:
            self._engine.cancel(picture.name)

    def _give_up(self, key: tuple[str, int], reason: str, *, broken_off: bool = False) -> None:
        """Draw nothing more of a picture. What came of it is kept, and so is what still comes unless it broke off."""
        picture = self._pictures.pop(key)
        self._ended.set()
        self._tell(PictureFailed(picture=picture.name, reason=reason, at=self._loop.time()))
        if broken_off:
            self._keeper.keep_part(picture)
        elif not picture.delivered:
            self._given_up[key] = picture

    async def _redraw(self) -> None:
        """Draw what was kept and not drawn, for want of time or because the process ended."""
        number = 0
        async for kept, stream in self._keeper.undrawn():
            offer = offer_of(stream, number := number + 1)
            if not self._open(offer, kept.label, datetime.now(UTC)):
                continue
            for event in sections_of(stream, number):
                await self._add(event)
            await self._take(ImageDone(session=offer.session, image=number, received=len(stream.to_bytes())))
            # One at a time: what comes meanwhile is more urgent.
            picture = self._pictures.get((offer.session, number))
            if picture and picture.drawing:
                await asyncio.gather(asyncio.wrap_future(picture.drawing), return_exceptions=True)

    def _figures(self) -> Figures:
        now = datetime.now(UTC)
        ages = [(now - picture.began).total_seconds() for picture in self._pictures.values()]
        return Figures(
            sessions=len(self._intake.sessions),
            open_pictures=len(ages),
            oldest=max(ages, default=0.0),
            bad_packets=self._intake.bad_packets,
        )

    def _tell(self, event: Event) -> None:
        self.metrics.count(event)
        if self._on_event:
            self._on_event(event)
