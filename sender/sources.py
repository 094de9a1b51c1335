"""Where pictures to send come from: files, folders, and folders that fill up.

A source only finds and reads; what becomes of a picture is the caller's business.
"""

import asyncio
import enum
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from layercast_errors import UsageError

#: Files that hold a coded picture.
STREAM_SUFFIXES = frozenset({".lcast"})

#: Files that hold a picture still to be coded.
PICTURE_SUFFIXES = frozenset({".avif", ".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})

#: How often a watched folder is looked at, in seconds.
WATCH_SECONDS = 1.0


class Kind(enum.Enum):
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
    kind: Kind

    @property
    def jpeg_size(self) -> int:
        """Bytes of the original where it is a JPEG, for the receiver to compare with; else 0."""
        return self.path.stat().st_size if self.path.suffix.lower() in (".jpg", ".jpeg") else 0


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


async def watch_folder(folder: Path | str, *, every: float = WATCH_SECONDS) -> AsyncIterator[Item]:
    """The files in a folder, and for ever those that appear in it or change, each once it has stopped growing.

    Args:
        folder: where to look.
        every: how often, in seconds. A file that changes takes this long to be believed.

    Raises:
        UsageError: the folder does not exist.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder")
    seen: dict[Path, tuple[int, int]] = {}
    sent: dict[Path, tuple[int, int]] = {}
    while True:
        now = {item: stamp for item in _items_in(folder) if (stamp := _stamp(item.path)) is not None}
        for item, stamp in now.items():
            if seen.get(item.path) == stamp and sent.get(item.path) != stamp:
                sent[item.path] = stamp
                yield item
        seen = {item.path: stamp for item, stamp in now.items()}
        # A file that was taken away and comes back is a new one.
        sent = {path: stamp for path, stamp in sent.items() if path in seen}
        await asyncio.sleep(every)


def _items_in(folder: Path) -> list[Item]:
    visible = (path for path in sorted(folder.iterdir()) if path.is_file() and not path.name.startswith("."))
    return [item for path in visible if (item := _item_of(path)) is not None]


def _item_of(path: Path) -> Item | None:
    suffix = path.suffix.lower()
    if suffix in STREAM_SUFFIXES:
        return Item(path, Kind.STREAM)
    return Item(path, Kind.PICTURE) if suffix in PICTURE_SUFFIXES else None


def _stamp(path: Path) -> tuple[int, int] | None:
    """A file's size and time of change, or None if it has just gone."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_size, status.st_mtime_ns
