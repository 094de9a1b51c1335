"""Finds and loads the files to send: single files, folders, and folders that are watched."""

import asyncio
import enum
import unicodedata
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from codec.container.bitstream import Bitstream
from codec.encoder.options import EncodeOptions
from codec.encoder.picture import encode_picture
from layercast_common.errors import StorageError, UsageError

#: Suffixes of files that hold an encoded picture.
STREAM_SUFFIXES = frozenset({".lcast"})

#: Suffixes of files that hold a picture to encode.
PICTURE_SUFFIXES = frozenset({".avif", ".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})

#: How often changing files of a watched folder are checked, in seconds.
WATCH_SECONDS = 1.0


class SourceKind(enum.Enum):
    """The kind of a file: an encoded stream, or a picture to encode."""

    STREAM = "stream"
    PICTURE = "picture"


@dataclass(frozen=True, slots=True)
class Item:
    """A file to send.

    Attributes:
        path: the file.
        kind: its kind.
    """

    path: Path
    kind: SourceKind

    def load(self, encoding: EncodeOptions) -> tuple[Bitstream, int]:
        """Load or encode the file. Return the stream and the picture's size as a JPEG in bytes; 0 for a stream file.

        Args:
            encoding: how a picture is encoded.

        Raises:
            CodecError: the file is not a picture or stream, or cannot be encoded with these options.
            StorageError: the file cannot be read.
            UsageError: the options do not make sense for this picture.
            MissingExtraError, MissingModelError, ModelFilesError: an annotator or captioner is missing or damaged.
        """
        if self.kind is SourceKind.STREAM:
            return Bitstream.load(self.path), 0
        encoded = encode_picture(self.path, encoding)
        return encoded.stream, encoded.jpeg_size

    @property
    def key(self) -> str:
        """Idempotency key of this version of the file: its path, size and modification time.

        The path has its letters in one piece (NFC): macOS finds a file under either spelling.

        Raises:
            FileNotFoundError: the file has disappeared.
            StorageError: the file cannot be read.
        """
        try:
            status = self.path.stat()
        except FileNotFoundError:
            raise
        except OSError as error:
            raise StorageError.of(error, self.path) from error
        path = unicodedata.normalize("NFC", str(self.path.absolute()))
        return f"{path} {status.st_size} {status.st_mtime_ns}"


def find_items(paths: Iterable[Path | str], *, allow_empty: bool = False) -> Iterator[Item]:
    """Yield the files at these paths; of a folder, the pictures and streams in it, by name.

    Args:
        paths: files and folders.
        allow_empty: accept folders without any.

    Raises:
        UsageError: a path does not exist, is neither a picture nor a stream, or is a folder without any.
        StorageError: a folder cannot be read.
    """
    for path in map(Path, paths):
        if path.is_dir():
            items = _items_in(path)
            if not items and not allow_empty:
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
    folder: Path | str,
    *,
    every: float = WATCH_SECONDS,
    wait_for_change: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> AsyncIterator[Item]:
    """Yield the files of a folder, then those that appear or change. Files that are still growing are left out.

    Args:
        folder: the folder.
        every: a file counts as complete if it has not changed for this long, in seconds.
        wait_for_change: waits for a change in the folder, at most for the given seconds; see `folder_events`.

    Raises:
        UsageError: the folder does not exist, or was removed.
        StorageError: the folder cannot be read.
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
        # A file that was removed and comes back is a new one.
        given = {path: stamp for path, stamp in given.items() if path in seen}
        if seen == given:
            await wait_for_change(every)
        else:
            await asyncio.sleep(every)


def _items_in(folder: Path) -> list[Item]:
    try:
        visible = [path for path in sorted(folder.iterdir()) if path.is_file() and not path.name.startswith(".")]
    except OSError as error:
        raise StorageError.of(error, folder) from error
    return [item for path in visible if (item := _item_of(path)) is not None]


def _item_of(path: Path) -> Item | None:
    suffix = path.suffix.lower()
    if suffix in STREAM_SUFFIXES:
        return Item(path, SourceKind.STREAM)
    return Item(path, SourceKind.PICTURE) if suffix in PICTURE_SUFFIXES else None


def _stamp(path: Path) -> tuple[int, int] | None:
    """Return a file's size and modification time; None if it has disappeared."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageError.of(error, path) from error
    return status.st_size, status.st_mtime_ns
