"""Variants: pictures that people have drawn again with changes, while they arrive or afterwards."""

import asyncio
import itertools
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from codec.container.bitstream import Bitstream
from layercast_common.errors import EngineBusyError, LayercastError, RenderError, UsageError
from layercast_common.tasks import BackgroundTasks, call_in_loop, start_task
from receiver.change import PictureChange
from receiver.events import Event, LayerArrived, PictureCompleted, PictureFailed, VariantDrawn
from receiver.rendering.frames import Frame

if TYPE_CHECKING:
    from receiver.rendering.engine.renderer import Renderer

#: Limit of variants that are drawn at a time, and of those whose picture is arriving; further ones are refused.
MAX_DRAWING, MAX_OPEN = 4, 16

#: Complete pictures that are remembered, a few kilobytes each.
MAX_ENDED = 8

#: Session name of variants: the renderer shares the device fairly between sessions.
SESSION = "variants"


@dataclass(eq=False, slots=True)
class _Variant:
    """A variant: `newer` is what to draw it from next, None if that is under way or done."""

    picture: str
    number: int
    change: PictureChange
    arriving: bool
    newer: Bitstream | None = None
    more: asyncio.Event = field(default_factory=asyncio.Event)
    drawing: bool = False
    shown: bool = False


class Variants:
    """Draws variants, and draws them again when layers arrive. Use it from one event loop.

    A variant never touches the picture as it was sent: neither its frames nor the archive.

    Args:
        tasks: the owner of the work.
        emit: called with every event.
        arriving: returns what has arrived of a picture by name; None if it is not arriving now.
        renderer: returns the renderer; None renders nothing.
        steps: denoising steps; the model's own number if None.
    """

    def __init__(
        self,
        tasks: BackgroundTasks,
        emit: Callable[[VariantDrawn], None],
        arriving: Callable[[str], Bitstream | None],
        renderer: Callable[[], "Renderer | None"],
        *,
        steps: int | None = None,
    ) -> None:
        self._tasks = tasks
        self._emit = emit
        self._arriving = arriving
        self._renderer = renderer
        self._steps = steps
        self._numbers = itertools.count(1)
        #: Variants that are being drawn, or whose picture is still arriving, by number.
        self._open: dict[int, _Variant] = {}
        #: The last complete pictures, which others may not know as complete yet.
        self._ended: OrderedDict[str, bytes] = OrderedDict()

    def start(self, picture: str, change: PictureChange, stream: Bitstream | None) -> int:
        """Start drawing a variant; return its number.

        Args:
            picture: the picture's name.
            change: the changes.
            stream: the picture, if it is not arriving now.

        Raises:
            RenderError: nothing is rendered here.
            EngineBusyError: too many variants are being drawn.
            UsageError: nothing of the picture has arrived, and no stream is given.
        """
        arriving = self._arriving(picture)
        if arriving is None and picture in self._ended:
            stream = Bitstream.from_bytes(self._ended[picture])
        if (stream := arriving or stream) is None:
            raise UsageError(f"nothing of picture {picture} is here to draw from")
        if self._renderer() is None:
            raise RenderError("this receiver renders nothing: it has no model")
        if len(self._open) >= MAX_OPEN or sum(one.drawing for one in self._open.values()) >= MAX_DRAWING:
            raise EngineBusyError(MAX_DRAWING)
        variant = _Variant(picture, next(self._numbers), change, arriving is not None)
        self._open[variant.number] = variant
        self._emit_now(variant)
        self._draw_from(variant, stream)
        return variant.number

    def accept(self, event: Event) -> None:
        """Take note of an event of the receiver: newer sections are drawn, too."""
        match event:
            case LayerArrived(picture=name) if (stream := self._arriving(name)) is not None:
                for variant in self._of(name):
                    self._draw_from(variant, stream)
            case PictureCompleted(picture=name) | PictureFailed(picture=name):
                if isinstance(event, PictureCompleted):
                    self._ended[name] = event.stream
                    if len(self._ended) > MAX_ENDED:
                        self._ended.popitem(last=False)
                for variant in self._of(name):
                    variant.arriving = False
                    self._forget_finished(variant)
            case _:
                pass

    def _of(self, picture: str) -> list[_Variant]:
        return [one for one in self._open.values() if one.picture == picture]

    def _draw_from(self, variant: _Variant, stream: Bitstream) -> None:
        variant.newer = stream
        variant.more.set()
        if not variant.drawing:
            variant.drawing = True
            self._tasks.start(self._draw(variant), name=f"variant {variant.number} of {variant.picture}")

    def _forget_finished(self, variant: _Variant) -> None:
        if not (variant.drawing or variant.arriving):
            self._open.pop(variant.number, None)

    async def _draw(self, variant: _Variant) -> None:
        """Draw a variant until it is finished and no newer sections wait."""
        try:
            while (stream := variant.newer) is not None:
                variant.newer = None
                variant.more.clear()
                await self._draw_once(variant, stream)
        except LayercastError as error:
            self._emit_now(variant, reason=str(error))
        finally:
            variant.drawing = False
            self._forget_finished(variant)

    async def _draw_once(self, variant: _Variant, stream: Bitstream) -> None:
        """Draw a variant, until it is finished or newer sections come, which join the rendering."""
        change = variant.change
        priors, notes = await asyncio.to_thread(change.apply, stream)
        renderer = self._renderer()
        if variant.newer is not None or renderer is None:
            return
        in_loop = partial(call_in_loop, asyncio.get_running_loop())
        future = renderer.submit(
            (variant.picture, variant.number),
            priors,
            stream.header.seed if change.seed is None else change.seed,
            lambda frame: in_loop(lambda: self._show(variant, frame, notes)),
            change.steps or self._steps,
            session=SESSION,
        )
        done = asyncio.wrap_future(future)
        more = start_task(variant.more.wait(), name=f"sections of variant {variant.number}")
        try:
            await asyncio.wait((done, more), return_when=asyncio.FIRST_COMPLETED)
        finally:
            more.cancel()
        if done.done() and not done.cancelled():
            done.result()

    def _show(self, variant: _Variant, frame: Frame, notes: tuple[str, ...]) -> None:
        # When it is drawn again for a new layer, the first half of the frames look worse than the last one.
        if variant.shown and not frame.final and 2 * frame.step < frame.steps:
            return
        variant.shown = True
        self._emit_now(variant, frame=frame, notes=notes)

    def _emit_now(
        self,
        variant: _Variant,
        *,
        frame: Frame | None = None,
        notes: tuple[str, ...] = (),
        reason: str | None = None,
    ) -> None:
        self._emit(
            VariantDrawn(
                picture=variant.picture,
                number=variant.number,
                change=variant.change,
                frame=frame,
                notes=notes,
                reason=reason,
                at=asyncio.get_running_loop().time(),
            )
        )
