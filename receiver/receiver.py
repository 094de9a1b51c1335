"""The receiver as a whole: takes pictures in, draws them, tells what happens.

Server --> sections so far --> priors --> Engine --> frames
                                 |                     |
                                 +-----> events <------+----> archive
"""

import asyncio
import ssl as tls
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Union

import numpy as np

from codec.encoder.encode import encode
from codec.layers import Priors, Semantic
from layercast_common.errors import UsageError
from protocol.wire.limits import Limits
from protocol.wire.seals import SharedKey
from receiver.archive import KEEP_BYTES, ArchiveWriter, RetentionPolicy
from receiver.events import Event, FrameRendered
from receiver.metrics import Figures, ReceiverMetrics
from receiver.permissions import Permissions
from receiver.pipeline import Pipeline
from receiver.rendering.settings.settings import Tuning
from receiver.replay import offer_of, sections_of
from receiver.server import PictureDone, ReceiverEvent, SectionReceived, Server

if TYPE_CHECKING:
    from receiver.rendering.engine.renderer import Renderer
    from receiver.rendering.models.model import Model

#: How often to look for pictures that nobody goes on with, in seconds.
SWEEP_SECONDS = 60.0

#: Canvas side of the picture that is drawn once before anything arrives, in pixels.
WARM_UP_SIDE = 256


class Receiver:
    """Takes pictures from senders and draws them as their layers arrive. Use it as `async with`.

    Args:
        listen: the address to listen on, or several; see `Server`.
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
        keep: bytes that the archive may take on disk; beyond, the oldest pictures go. None for any number.
        keep_days: after how many days a picture goes in any case; None for never.
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
        keep: int | None = KEEP_BYTES,
        keep_days: float | None = None,
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
        bounds = RetentionPolicy(size=keep, days=keep_days)
        self._keeper = ArchiveWriter(archive, bounds, in_use=lambda: self._pictures.names)
        self._pictures = Pipeline(self._keeper, self._tell, steps=steps)
        self._intake = Server(
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
        self._ready = asyncio.Event()
        self._redrawing: asyncio.Task[None] | None = None
        self._sweeping: asyncio.Task[None] | None = None
        self._condition = "loading"
        self.metrics = ReceiverMetrics(self._figures)

    async def __aenter__(self) -> "Receiver":
        """Listen, load the model, and draw one picture to warm up; senders that come meanwhile wait.

        Raises:
            RenderError: the model cannot be had.
            ListenError: the address cannot be listened on.
            UsageError: it is no address.
        """
        # Before the model, which takes seconds to load: a taken port should be told at once.
        await self._intake.__aenter__()
        try:
            if self._model is not None:
                self._pictures.engine = await asyncio.to_thread(self._start_engine, self._model)
        except BaseException as error:
            self._ready.set()
            await self._intake.__aexit__(type(error), error, error.__traceback__)
            raise
        self._condition = "ok"
        self._ready.set()
        self._keeper.start()
        self._sweeping = asyncio.create_task(self._sweep(), name="pictures that nobody goes on with")
        if self._pictures.engine:
            self._redrawing = asyncio.create_task(self._redraw(), name="drawing what the archive holds")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening, stop drawing, and wait for files that are being written."""
        self._condition = "closed"
        for task in (self._redrawing, self._sweeping):
            if task:
                task.cancel()
        try:
            await self._intake.__aexit__(kind, error, trace)
        finally:
            if self._pictures.engine:
                await asyncio.to_thread(self._pictures.engine.close)
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
        """How we are: "loading", "ok", "draining" or "closed"; "archive failing" while nothing can be kept."""
        return "archive failing" if self._condition == "ok" and self._keeper.failing else self._condition

    async def drain(self) -> None:
        """Take no new senders, and wait until every picture that is under way has arrived and is drawn."""
        self._condition = "draining"
        if self._redrawing:
            self._redrawing.cancel()
        self._intake.close_doors()
        await self._pictures.wait_until_none()

    def _start_engine(self, model: Union[str, Path, "Model"]) -> "Renderer":
        """Everything slow that a first picture would otherwise wait for: weights, compiled coders, first kernels."""
        from receiver.rendering.start import start_renderer

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
        if isinstance(event, SectionReceived):
            self.metrics.count_section(event.layer, len(event.payload))
        await self._pictures.take(event)

    async def _redraw(self) -> None:
        """Draw what was kept and not drawn, for want of time or because the process ended."""
        number = 0
        async for kept, stream in self._keeper.undrawn():
            offer = offer_of(stream, number := number + 1)
            picture = self._pictures.open(offer, kept.label)
            if picture is None:
                continue
            for event in sections_of(stream, number):
                await self._pictures.take(event)
            await self._pictures.take(
                PictureDone(session=offer.session, picture_id=number, received=len(stream.to_bytes()))
            )
            # One at a time: what comes meanwhile is more urgent.
            if picture.drawing:
                await asyncio.gather(asyncio.wrap_future(picture.drawing), return_exceptions=True)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            self._pictures.give_up_quiet()

    def _figures(self) -> Figures:
        now = datetime.now(UTC)
        ages = [(now - picture.began).total_seconds() for picture in self._pictures]
        return Figures(
            sessions=len(self._intake.sessions),
            open_pictures=len(ages),
            oldest=max(ages, default=0.0),
            bad_packets=self._intake.bad_packets,
            archive=self._keeper.figures(),
        )

    def _tell(self, event: Event) -> None:
        self.metrics.count(event)
        if self._on_event:
            self._on_event(event)
        if self._on_frame and isinstance(event, FrameRendered):
            self._on_frame(event)
