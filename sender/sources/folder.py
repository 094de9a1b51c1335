"""Stores the pictures that appear in a folder in an outbox."""

import asyncio
import logging
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from codec.analysis.prompt.prompt_files import find_sidecar
from codec.encoder.options import EncodeOptions
from layercast_common.errors import CodecError, OutboxFullError, StorageError, UsageError
from layercast_common.files import make_folder
from layercast_common.tasks import notify, run_abandonable
from sender.outbox.relay import OutboxRelay
from sender.sources.files import Item, watch_folder
from sender.sources.folder_events import folder_events

_log = logging.getLogger(__name__)

#: How long to wait before the next attempt while the outbox is full, in seconds.
FULL_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedFolder:
    """A folder into which people and programs put pictures.

    Attributes:
        folder: the folder; hidden files and files of other types are ignored.
        encoding: how pictures are encoded.
        done: where files are moved once they are in the outbox; if None they stay, and are recognised by path, size and
            modification time.
        failed: where files are moved that cannot be encoded; if None they stay, and are tried again after they change.
        lifetime: pictures expire after this many seconds; None for never.

    Raises:
        UsageError: `done` or `failed` is the folder itself.
    """

    folder: Path
    encoding: EncodeOptions
    done: Path | None = None
    failed: Path | None = None
    lifetime: float | None = None

    def __post_init__(self) -> None:
        for target in (self.done, self.failed):
            if target is not None and target.resolve() == self.folder.resolve():
                raise UsageError(f"{target} is the watched folder: files moved there would be found again")


@dataclass(frozen=True, slots=True)
class AcceptedFile:
    """A file that is now in the outbox, under a picture id."""

    item: Item
    picture_id: int


async def ingest_folder(
    watched: WatchedFolder, relay: OutboxRelay, *, on_accepted: Callable[[AcceptedFile], None] | None = None
) -> None:
    """Store the files of a folder, present and future ones, in the relay's outbox until cancelled.

    Args:
        watched: the folder.
        relay: the relay of the outbox.
        on_accepted: called for each stored file; its errors are logged.

    Raises:
        UsageError: the folder does not exist.
        StorageError: the folder cannot be read, or a file cannot be moved.
        OutboxError: the outbox cannot be read or written.
    """
    async with folder_events(watched.folder) as wait_for_change:
        async for item in watch_folder(watched.folder, wait_for_change=wait_for_change):
            picture_id = await _ingest_file(watched, item, relay)
            if picture_id is not None:
                notify(on_accepted, AcceptedFile(item, picture_id), what=f"picture {picture_id} ({item.path.name})")


async def _ingest_file(watched: WatchedFolder, item: Item, relay: OutboxRelay) -> int | None:
    """Store one file. Return its picture id; None if it is known, cannot be encoded or has disappeared."""
    try:
        key = item.key
    except FileNotFoundError:
        return None
    if await asyncio.to_thread(relay.outbox.number_of, key) is not None:
        await _move(item, watched.done)
        return None
    try:
        stream, jpeg_size = await run_abandonable(partial(item.load, watched.encoding), name="encoding")
    except FileNotFoundError:
        return None
    except (CodecError, StorageError, UsageError) as error:
        _log.error("%s is not sent: %s", item.path, error)
        await _move(item, watched.failed)
        return None
    while True:
        try:
            picture_id = await relay.post(
                stream, name=item.path.name, key=key, jpeg_size=jpeg_size, lifetime=watched.lifetime
            )
            break
        except OutboxFullError as error:
            _log.warning("%s waits: %s", item.path, error)
            await asyncio.sleep(FULL_SECONDS)
    await _move(item, watched.done)
    return picture_id


async def _move(item: Item, folder: Path | None) -> None:
    if folder is not None:
        await asyncio.to_thread(_move_file, item.path, folder)


def _move_file(path: Path, folder: Path) -> None:
    """Move a file, and the prompt file beside it, under names that are free.

    Raises:
        StorageError: a file cannot be moved.
    """
    make_folder(folder)
    try:
        for source in (path, find_sidecar(path)):
            if source is not None and source.is_file():
                # shutil.move, since rename does not work across disks.
                shutil.move(source, _free_name(folder, source.name))
    except OSError as error:
        raise StorageError.of(error, path, f"cannot be moved to {folder}") from error


def _free_name(folder: Path, name: str) -> Path:
    target = folder / name
    count = 1
    while target.exists():
        count += 1
        target = folder / f"{Path(name).stem}-{count}{Path(name).suffix}"
    return target
