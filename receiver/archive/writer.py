"""The archive as the event loop uses it: one thread writes the files, one after the other."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

from PIL import Image

from codec.container.bitstream import Bitstream
from codec.layers import Layer
from layercast_common.errors import ArchiveError, StorageError
from layercast_common.files import make_folder
from layercast_common.process_lock import ProcessLock
from receiver.archive.archive import Archive
from receiver.archive.names import ArchivedPicture, label_of
from receiver.archive.retention import RetentionPolicy
from receiver.archive.stats import ArchiveStats

#: Interval of the checks for expired pictures and, after a failed write, for a writable disk; in seconds.
MAINTENANCE_SECONDS = 60.0

#: A file in the folder that one process locks, so that no second one deletes the files that the first is writing.
LOCK_NAME = ".lock"

_Result = TypeVar("_Result")

_log = logging.getLogger(__name__)


class ArchiveWriter:
    """Stores pictures in a folder; without a folder it does nothing.

    Args:
        folder: the folder; None to store nothing.
        policy: size and age limits; none by default.
        in_use: returns the labels of the pictures in progress, which are never evicted.

    Raises:
        ArchiveError: the folder cannot be created, read or written, or another process stores pictures there.
    """

    def __init__(
        self,
        folder: Path | str | None,
        policy: RetentionPolicy | None = None,
        in_use: Callable[[], Collection[str]] = frozenset,
    ) -> None:
        self._lock = None if folder is None else _lock(Path(folder))
        self._archive = None if folder is None else Archive(Path(folder), policy)
        self._in_use = in_use
        # One thread: a later picture of the same level goes to the same file.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="archive")
        self._grown = asyncio.Event()
        self._closed = False

    @property
    def keeps(self) -> bool:
        """Whether there is a folder, so that pictures are kept."""
        return self._archive is not None

    @property
    def failing(self) -> bool:
        """Whether the last write failed."""
        return self._archive is not None and self._archive.failing

    def stats(self) -> ArchiveStats | None:
        """Return the archive's figures; None without an archive."""
        return None if self._archive is None else self._archive.stats()

    def holds(self, stream_id: bytes, epoch: int, picture_id: int) -> bool:
        """Return whether a picture is stored or was evicted. Senders without a stream id cannot be deduplicated."""
        if self._archive is None or not stream_id:
            return False
        return self._archive.holds(label_of(stream_id, epoch, picture_id))

    async def store(self, label: str, arrived: datetime, stream: Bitstream | bytes) -> None:
        """Write a complete stream, or its bytes, durably. Acknowledge the picture only once this has returned.

        Raises:
            ArchiveError: the stream cannot be written.
        """
        if self._archive:
            work = self._submit(partial(self._archive.store, label, arrived, stream))
            # Cancelling the caller does not cancel the write.
            await asyncio.shield(asyncio.wrap_future(work))
            self._grown.set()

    def store_part(self, label: str, arrived: datetime, stream: Bitstream) -> None:
        """Write the received part of an incomplete stream, in the background."""
        if self._archive and stream.sections:
            self._submit_logged(label, partial(self._archive.store_part, label, arrived, stream))

    def store_level(self, label: str, arrived: datetime, level: Layer, image: Image.Image) -> None:
        """Write the picture at a level, in the background."""
        if self._archive:
            self._submit_logged(label, partial(self._archive.store_level, label, arrived, level, image))

    def store_arrival(self, label: str, recording: bytes) -> None:
        """Write how a stored picture arrived, in the background."""
        if self._archive:
            self._submit_logged(label, partial(self._archive.store_arrival, label, recording))

    async def undrawn(self) -> AsyncIterator[tuple[ArchivedPicture, Bitstream]]:
        """Yield the stored streams that were not drawn, oldest first."""
        if self._archive:
            found = self._archive.undrawn()
            while (one := await asyncio.to_thread(next, found, None)) is not None:
                yield one

    async def maintain(self) -> None:
        """Evict expired pictures, and after a failed write test whether the disk accepts files again. Never returns."""
        archive = self._archive
        if archive is None:
            return
        self._grown.set()
        logged = ""
        while True:
            try:
                async with asyncio.timeout(MAINTENANCE_SECONDS):
                    await self._grown.wait()
            except TimeoutError:
                if archive.failing:
                    await asyncio.wrap_future(self._submit(archive.probe))
            self._grown.clear()
            try:
                while await asyncio.wrap_future(self._submit(partial(archive.evict, frozenset(self._in_use())))):
                    pass
                logged = ""
            except StorageError as error:
                if str(error) != logged:
                    _log.error("the archive cannot evict pictures and may exceed its limits: %s", error)
                logged = str(error)

    async def close(self) -> None:
        """Wait until all files are written. Nothing can be stored afterwards."""
        self._closed = True
        await asyncio.to_thread(self._thread.shutdown)
        if self._lock is not None:
            self._lock.release()

    def _submit(self, work: Callable[[], _Result]) -> Future[_Result]:
        return self._thread.submit(work)

    def _submit_logged(self, label: str, work: Callable[[], None]) -> None:
        """Run work that has no caller waiting, and log its errors. Late frames of a closing receiver are dropped."""
        if self._closed:
            return

        def log_error(done: Future[None]) -> None:
            if not done.cancelled() and (error := done.exception()) is not None:
                _log.error("picture %s cannot be archived", label, exc_info=error)

        self._submit(work).add_done_callback(log_error)
        self._grown.set()


def _lock(folder: Path) -> ProcessLock:
    try:
        make_folder(folder)
    except StorageError as error:
        raise ArchiveError.convert(error) from error
    return ProcessLock(folder / LOCK_NAME, folder, ArchiveError)
