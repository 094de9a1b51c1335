"""Puts whatever appears in a folder into the outbox."""

import asyncio
import logging
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from codec.encoder.picture import EncodeOptions
from layercast_common.errors import CodecError, OutboxFullError, UsageError
from sender.outbox.relay import OutboxRelay
from sender.sources.files import Item, watch_folder
from sender.sources.folder_events import notices_of

_log = logging.getLogger("sender.sources.folder")

#: How long to wait for room in a full outbox before the next try, in seconds.
FULL_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedFolder:
    """A folder that people and programs drop pictures into.

    Attributes:
        folder: where to look; hidden files and other kinds of files are left alone.
        recipe: how pictures are coded.
        done: where files go once they are in the outbox; if None they stay, and are known again by path, size and time.
        failed: where files go that cannot be coded; if None they stay, and are tried again once they change.
        lifetime: after how many seconds a picture is no longer worth sending; None for never.
    """

    folder: Path
    recipe: EncodeOptions
    done: Path | None = None
    failed: Path | None = None
    lifetime: float | None = None

    def __post_init__(self) -> None:
        for target in (self.done, self.failed):
            if target is not None and target.resolve() == self.folder.resolve():
                raise UsageError(f"{target} is the folder that is watched; files would be found again for ever")


async def ingest_folder(drop: WatchedFolder, courier: OutboxRelay, *, tell: Callable[[Item, int], None]) -> None:
    """Post what is in the folder and what comes, until cancelled.

    Args:
        drop: the folder.
        courier: where to post.
        tell: told of each file that is now in the outbox, with its number there.

    Raises:
        UsageError: the folder is not there, or a file cannot be moved.
        OutboxError: the outbox cannot be written.
    """
    async with notices_of(drop.folder) as changed:
        async for item in watch_folder(drop.folder, changed=changed):
            image = await _take(drop, item, courier)
            if image is not None:
                tell(item, image)


async def _take(drop: WatchedFolder, item: Item, courier: OutboxRelay) -> int | None:
    try:
        key = item.key
        known = await asyncio.to_thread(courier.outbox.number_of, key)
        if known is not None:
            await _move(item, drop.done)
            return None
        stream, jpeg_size = await asyncio.to_thread(item.load, drop.recipe)
    except FileNotFoundError:
        return None
    except (CodecError, UsageError) as error:
        _log.error("%s is not sent: %s", item.path, error)
        await _move(item, drop.failed)
        return None
    while True:
        try:
            image = await courier.post(
                stream, name=item.path.name, key=key, jpeg_size=jpeg_size, lifetime=drop.lifetime
            )
            break
        except OutboxFullError as error:
            _log.warning("%s waits: %s", item.path, error)
            await asyncio.sleep(FULL_SECONDS)
    await _move(item, drop.done)
    return image


async def _move(item: Item, folder: Path | None) -> None:
    if folder is not None:
        await asyncio.to_thread(_move_file, item.path, folder)


def _move_file(path: Path, folder: Path) -> None:
    """Move a file, and a prompt beside it, under names that are not taken."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for one in (path, path.with_suffix(".txt")):
            if one.is_file():
                # Not a rename: the folder may be on another disk.
                shutil.move(one, _free_name(folder, one.name))
    except OSError as error:
        raise UsageError(f"{path} cannot be moved to {folder}: {error.strerror or error}") from error


def _free_name(folder: Path, name: str) -> Path:
    target = folder / name
    count = 1
    while target.exists():
        count += 1
        target = folder / f"{Path(name).stem}-{count}{Path(name).suffix}"
    return target
