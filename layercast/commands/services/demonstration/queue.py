"""The pictures that the demo sends: those of visitors first, then the configured ones, one after the other."""

import asyncio
import contextlib
import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

from codec.encoder.options import EncodeOptions, Order
from codec.encoder.picture import EncodeResult, encode_picture
from codec.image_io import PictureSource, load_picture
from layercast_common.errors import OutboxFullError
from layercast_common.tasks import run_abandonable

#: Pictures of visitors that wait; further ones are refused.
MAX_WAITING = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedPicture:
    """A picture to send.

    Attributes:
        name: its name for people.
        encoded: its stream.
        original: PIL image, to compare with.
    """

    name: str
    encoded: EncodeResult
    original: Image.Image


class PictureQueue:
    """Encodes pictures as they are due. Use it from one event loop.

    Args:
        images: the configured pictures, which repeat for ever.
        encoding: how to encode them.

    Attributes:
        order: returns the order of the next picture's layers.
    """

    def __init__(self, images: list[Path], encoding: EncodeOptions) -> None:
        self._images = itertools.cycle(images)
        self._encoding = encoding
        self.order: Callable[[], str] = lambda: Order.PAPER
        self._visitors: asyncio.Queue[QueuedPicture] = asyncio.Queue(MAX_WAITING)
        self._accepted = asyncio.Event()

    async def accept(self, body: bytes, *, prompt: str | None) -> int:
        """Encode a visitor's picture and put it in line; return the number of pictures in line.

        Args:
            body: a picture file.
            prompt: its description; from its metadata if None.

        Raises:
            CodecError: it is not a picture, or cannot be encoded.
            OutboxFullError: as many pictures wait as may.
        """
        if not self._visitors.full():
            # The prompt of the command line describes another picture.
            picture = await _encode(
                body, "a visitor's picture", replace(self._encoding, prompt=prompt, order=self.order())
            )
            if not self._visitors.full():
                self._visitors.put_nowait(picture)
                self._accepted.set()
                return self._visitors.qsize()
        raise OutboxFullError(f"{MAX_WAITING} pictures are waiting already; try again when one has been sent")

    async def next(self) -> QueuedPicture:
        """Return the picture to send next.

        Raises:
            CodecError: a configured picture cannot be read.
        """
        self._accepted.clear()
        if not self._visitors.empty():
            return self._visitors.get_nowait()
        path = next(self._images)
        return await _encode(path, path.name, replace(self._encoding, order=self.order()))

    async def wait(self, seconds: float) -> None:
        """Wait, but only until a visitor's picture is in line."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0 if self._visitors.qsize() else seconds):
                await self._accepted.wait()


async def _encode(source: PictureSource, name: str, options: EncodeOptions) -> QueuedPicture:
    def encode() -> QueuedPicture:
        return QueuedPicture(name=name, encoded=encode_picture(source, options), original=load_picture(source).image)

    return await run_abandonable(encode, name="encoding")
