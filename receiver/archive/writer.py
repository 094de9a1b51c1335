"""The archive as a receiver uses it from the event loop: files are written in threads, one after the other."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Collection
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from codec.container.bitstream import Bitstream
from layercast_common.errors import LayercastError
from receiver.archive.archive import Archive, ArchiveFigures
from receiver.archive.names import Kept, label_of
from receiver.archive.retention import RetentionPolicy
from receiver.incoming_picture import IncomingPicture
from receiver.rendering.frames import Frame

#: How often to look for pictures whose time is over, and whether a full disk has room again; in seconds.
TIDY_SECONDS = 60.0

_Done = TypeVar("_Done")

_log = logging.getLogger("receiver.archive")


class ArchiveWriter:
    """Keeps pictures in a folder, or does nothing.

    Args:
        folder: where; None to keep nothing.
        bounds: how much to keep, and for how long; everything for ever by default.
        in_use: gives the names of the pictures that are under way, none of which is removed.

    Raises:
        UsageError: there can be no such folder.
    """

    def __init__(
        self,
        folder: Path | str | None,
        bounds: RetentionPolicy | None = None,
        in_use: Callable[[], Collection[str]] = frozenset,
    ) -> None:
        self._archive = None if folder is None else Archive(Path(folder), bounds)
        self._in_use = in_use
        self._disk = asyncio.Lock()
        self._working: set[asyncio.Task[Any]] = set()
        self._leaving = False
        self._grown = asyncio.Event()
        self._tidying: asyncio.Task[None] | None = None

    @property
    def failing(self) -> bool:
        """Whether nothing could be kept when it was tried last."""
        return self._archive is not None and self._archive.failing

    def figures(self) -> ArchiveFigures | None:
        """The archive's figures, if there is one."""
        return None if self._archive is None else self._archive.figures()

    def start(self) -> None:
        """Begin to stay within the bounds."""
        if self._archive:
            self._grown.set()
            self._tidying = asyncio.create_task(self._tidy(self._archive), name="keeping the archive within its bounds")

    def holds(self, stream: bytes, epoch: int, image: int) -> bool:
        """Whether the whole of a picture is or was on disk. Who does not tell who it is is not known again."""
        return bool(stream) and self._archive is not None and self._archive.holds(label_of(stream, epoch, image))

    async def store(self, picture: IncomingPicture) -> None:
        """Bring a whole stream to disk. Its acknowledgement leaves only when this is done, and never if it fails.

        Raises:
            UsageError: it cannot be written.
        """
        if self._archive:
            work = partial(self._archive.keep, picture.name, picture.began, picture.stream)
            await asyncio.shield(self._begin(work))
            self._grown.set()

    def keep_part(self, picture: IncomingPicture) -> None:
        """Keep what came of a picture that broke off."""
        if self._archive and picture.sections:
            self._begin(partial(self._archive.keep_part, picture.name, picture.began, picture.stream))
            self._grown.set()

    def keep_level(self, picture: IncomingPicture, frame: Frame) -> None:
        """Keep the last frame of a level."""
        if self._archive:
            self._begin(partial(self._archive.save_level, picture.name, picture.began, frame.level, frame.image))
            self._grown.set()

    async def undrawn(self) -> AsyncIterator[tuple[Kept, Bitstream]]:
        """The streams that are kept and were not drawn, oldest first."""
        if self._archive:
            found = self._archive.undrawn()
            while (one := await asyncio.to_thread(next, found, None)) is not None:
                yield one

    async def finish(self) -> None:
        """Wait for the files that are being written."""
        self._leaving = True
        self._grown.set()
        if self._tidying:
            await self._tidying
        if self._working:
            await asyncio.wait(self._working)

    async def _tidy(self, archive: Archive) -> None:
        """Stay within the bounds, and find out when a disk that was full has room again."""
        told = ""
        while not self._leaving:
            try:
                async with asyncio.timeout(TIDY_SECONDS):
                    await self._grown.wait()
            except TimeoutError:
                if archive.failing:
                    await self._begin(archive.probe)
            self._grown.clear()
            try:
                removed = 1
                while removed and not self._leaving:
                    removed = await self._begin(partial(archive.trim, frozenset(self._in_use())))
                    told = ""
            except LayercastError as error:
                if str(error) != told:
                    _log.error("the archive cannot be kept within its bounds: %s", error)
                told = str(error)

    def _begin(self, work: Callable[[], _Done]) -> asyncio.Task[_Done]:
        """Do something to the archive, to its end though nobody waits for it any more."""
        task = asyncio.create_task(self._in_turn(work))
        self._working.add(task)
        task.add_done_callback(self._done)
        return task

    async def _in_turn(self, work: Callable[[], _Done]) -> _Done:
        # One after the other: a later picture of the same level goes to the same file.
        async with self._disk:
            return await asyncio.to_thread(work)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._working.discard(task)
        if not task.cancelled():
            # Whoever waits hears of it; if nobody does, there is nobody to hear.
            task.exception()
