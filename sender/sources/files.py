"""Where pictures to send come from: files, folders, and folders that fill up.

A source only finds and reads; what becomes of a picture is the caller's business.
"""

import asyncio
import enum
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from codec.container.bitstream import Bitstream
from codec.encoder.picture import EncodeOptions, encode_picture
from layercast_common.errors import UsageError

#: Files that hold a coded picture.
STREAM_SUFFIXES = frozenset({".lcast"})

#: Files that hold a picture still to be coded.
PICTURE_SUFFIXES = frozenset({".avif", ".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})

#: How often a watched folder is looked at, in seconds.
WATCH_SECONDS = 1.0


class SourceKind(enum.Enum):
    """What a file holds."""

    STREAM = "stream"
    PICTURE = "picture"


@dataclass(frozen=True, slots=True)
class Item:
    """A file to send.

    Attributes:
        path: where it is.
        kind: whether it is coded already.
    """

    path: Path
    kind: SourceKind

    def load(self, recipe: EncodeOptions) -> tuple[Bitstream, int]:
        """The stream to send, and the size of the picture as a JPEG in bytes; 0 where only the stream is left of it.

        Raises:
            CodecError: the file is no picture or stream, or cannot be coded as asked for.
            UsageError: the file cannot be read.
        """
        if self.kind is SourceKind.STREAM:
            return Bitstream.load(self.path), 0
        composed = encode_picture(self.path, recipe)
        return composed.stream, composed.jpeg_size

    @property
    def key(self) -> str:
        """What tells the file from others and from what it was before: its path, size and time of change.

        Raises:
            FileNotFoundError: it has just gone.
        """
        status = self.path.stat()
        return f"{self.path.absolute()} {status.st_size} {status.st_mtime_ns}"


def find_items(paths: Iterable[Path | str]) -> Iterator[Item]:
    """The files that the paths mean: a file itself, and of a folder the pictures and streams in it, by name.

    Raises:
        UsageError: a path leads nowhere, or to a file that is neither picture nor stream, or to a folder without any.
    """
    for path in map(Path, paths):
        if path.is_dir():
            items = _items_in(path)
            if not items:
                raise UsageError(f"{path} holds no pictures and no .lcast files")
            yield from items
        elif not path.exists():
            raise UsageError(f"{path} does not exist")
        else:
            item = _item_of(path)
            if item is None:
                raise UsageError(f"{path} is neither a picture nor an .lcast file")
            yield item


async def watch_folder(
    folder: Path | str, *, every: float = WATCH_SECONDS, changed: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> AsyncIterator[Item]:
    """The files in a folder, and for ever those that appear in it or change, each once it has stopped growing.

    Args:
        folder: where to look.
        every: how often to look at a file that changes, in seconds; it takes this long to be believed.
        changed: waits until something happens in the folder, or for so many seconds; see `folder_events`.

    Raises:
        UsageError: the folder does not exist, or is gone.
    """
    folder = Path(folder)
    seen: dict[Path, tuple[int, int]] = {}
    given: dict[Path, tuple[int, int]] = {}
    while True:
        if not folder.is_dir():
            raise UsageError(f"{folder} is not a folder")
        now = {item: stamp for item in _items_in(folder) if (stamp := _stamp(item.path)) is not None}
        for item, stamp in now.items():
            if seen.get(item.path) == stamp and given.get(item.path) != stamp:
                given[item.path] = stamp
                yield item
        seen = {item.path: stamp for item, stamp in now.items()}
        # A file that was taken away and comes back is a new one.
        given = {path: stamp for path, stamp in given.items() if path in seen}
        if seen == given:
            await changed(every)
        else:
            await asyncio.sleep(every)


def _items_in(folder: Path) -> list[Item]:
    visible = (path for path in sorted(folder.iterdir()) if path.is_file() and not path.name.startswith("."))
    return [item for path in visible if (item := _item_of(path)) is not None]


def _item_of(path: Path) -> Item | None:
    suffix = path.suffix.lower()
    if suffix in STREAM_SUFFIXES:
        return Item(path, SourceKind.STREAM)
    return Item(path, SourceKind.PICTURE) if suffix in PICTURE_SUFFIXES else None


def _stamp(path: Path) -> tuple[int, int] | None:
    """A file's size and time of change, or None if it has just gone."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_size, status.st_mtime_ns
