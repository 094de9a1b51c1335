"""The archive as a receiver uses it from the event loop: files are written in threads, one after the other."""

import asyncio
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path

from codec.bitstream import Bitstream
from receiver.archive import Archive, Kept, label_of
from receiver.arrival import Arrival
from receiver.rendering.frames import Frame


class Keeper:
    """Keeps pictures in a folder, or does nothing.

    Args:
        folder: where; None to keep nothing.

    Raises:
        UsageError: there can be no such folder.
    """

    def __init__(self, folder: Path | str | None) -> None:
        self._archive = None if folder is None else Archive(Path(folder))
        self._disk = asyncio.Lock()
        self._writing: set[asyncio.Task[None]] = set()

    def holds(self, stream: bytes, epoch: int, image: int) -> bool:
        """Whether the whole of a picture is on disk. A sender that does not tell who it is is not known again."""
        return bool(stream) and self._archive is not None and self._archive.holds(label_of(stream, epoch, image))

    async def store(self, picture: Arrival) -> None:
        """Bring a whole stream to disk. Its acknowledgement leaves only when this is done, and never if it fails.

        Raises:
            UsageError: it cannot be written.
        """
        if self._archive:
            async with self._disk:
                await asyncio.to_thread(self._archive.keep, picture.name, picture.began, picture.stream)

    def keep_part(self, picture: Arrival) -> None:
        """Keep what came of a picture that broke off."""
        if self._archive and picture.sections:
            self._write(partial(self._archive.keep_part, picture.name, picture.began, picture.stream))

    def keep_level(self, picture: Arrival, frame: Frame) -> None:
        """Keep the last frame of a level."""
        if self._archive:
            self._write(partial(self._archive.save_level, picture.name, picture.began, frame.level, frame.image))

    async def undrawn(self) -> AsyncIterator[tuple[Kept, Bitstream]]:
        """The streams that are kept and were not drawn, oldest first."""
        if self._archive:
            found = self._archive.undrawn()
            while (one := await asyncio.to_thread(next, found, None)) is not None:
                yield one

    async def finish(self) -> None:
        """Wait for the files that are being written."""
        if self._writing:
            await asyncio.wait(self._writing)

    def _write(self, write: Callable[[], None]) -> None:
        async def in_turn() -> None:
            # A later picture of the same level goes to the same file.
            async with self._disk:
                await asyncio.to_thread(write)

        task = asyncio.create_task(in_turn())
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)
