"""Lets the application await pictures and iterate over frames, instead of passing callbacks."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from typing import Protocol, TypeVar

from layercast_common.errors import RenderError
from receiver.events import Event, FrameRendered, PictureCompleted, PictureFailed
from receiver.rendering.frames import Frame

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")

#: Pictures that are remembered after their end.
REMEMBERED = 64

#: Frames that wait for a slow reader; beyond it, the oldest are dropped.
MAX_WAITING = 256


class SentPicture(Protocol):
    """A picture as its sender knows it, such as the `Delivery` that `Sender.send` returns."""

    @property
    def session(self) -> str:
        """The receiver's name of the session."""

    @property
    def picture_id(self) -> int:
        """The picture's number within the session."""


class DrawnPictures:
    """The newest frame of each picture, and those that wait for it. Use it from one event loop."""

    def __init__(self) -> None:
        self._names: OrderedDict[tuple[str, int], str] = OrderedDict()
        self._frames: OrderedDict[str, Frame] = OrderedDict()
        self._ends: OrderedDict[str, Frame | RenderError] = OrderedDict()
        self._waiting: set[asyncio.Queue[FrameRendered | None]] = set()
        self._changed = asyncio.Event()
        self._closed = False

    def name(self, session: str, picture_id: int, name: str) -> None:
        """Note the receiver's name of a picture that a sender offers."""
        _remember(self._names, (session, picture_id), name)
        # The picture is drawn again.
        self._ends.pop(name, None)

    def accept(self, event: Event) -> None:
        """Take note of an event of the receiver."""
        match event:
            case FrameRendered():
                _remember(self._frames, event.picture, event.frame)
                for queue in self._waiting:
                    if queue.full():
                        queue.get_nowait()
                    queue.put_nowait(event)
            case PictureCompleted():
                frame = self._frames.pop(event.picture, None)
                end = frame or RenderError("this receiver renders nothing: it has no model")
                self._end(event.picture, end)
            case PictureFailed():
                self._frames.pop(event.picture, None)
                self._end(event.picture, RenderError(f"the picture cannot be drawn: {event.reason}"))

    def close(self) -> None:
        """End all iterations and waits."""
        self._closed = True
        self._changed.set()
        for queue in self._waiting:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(None)

    async def drawn(self, picture: SentPicture | str) -> Frame:
        """Wait until a picture has arrived and its last frame is rendered; return that frame.

        Raises:
            RenderError: the picture failed, nothing is rendered, or the receiver closed before.
        """
        while True:
            name = picture if isinstance(picture, str) else self._names.get((picture.session, picture.picture_id))
            if name is not None and (end := self._ends.get(name)) is not None:
                if isinstance(end, RenderError):
                    raise RenderError(str(end))
                return end
            if self._closed:
                raise RenderError("the receiver closed before the picture was drawn")
            self._changed.clear()
            await self._changed.wait()

    async def frames(self) -> AsyncIterator[FrameRendered]:
        """Yield every frame from now on, until the receiver closes."""
        queue: asyncio.Queue[FrameRendered | None] = asyncio.Queue(MAX_WAITING)
        if self._closed:
            return
        self._waiting.add(queue)
        try:
            while (event := await queue.get()) is not None:
                yield event
        finally:
            self._waiting.discard(queue)

    def _end(self, name: str, end: Frame | RenderError) -> None:
        _remember(self._ends, name, end)
        self._changed.set()


def _remember(memory: OrderedDict[_Key, _Value], key: _Key, value: _Value) -> None:
    memory[key] = value
    memory.move_to_end(key)
    if len(memory) > REMEMBERED:
        memory.popitem(last=False)
