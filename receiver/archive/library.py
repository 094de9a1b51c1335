"""The pictures of an archive for reading: by words, by time, one by one. Safe beside a receiver that writes to it."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from codec.container.bitstream import Bitstream
from codec.layers import Layer
from layercast_common.errors import BitstreamError, StorageError
from receiver.archive.names import ARRIVAL, LEVELS, WHOLE, parse_name

#: Limit of pictures that one search returns.
MAX_FOUND = 200

#: Limit of a recorded arrival that is read, in bytes.
MAX_ARRIVAL = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class LibraryEntry:
    """A picture of an archive.

    Attributes:
        label: its name, as in `PictureOpened`.
        stem: the stem of its file names.
        arrived: when it arrived.
        prompt: its text; empty if it has none.
        size: bytes of its stream.
    """

    label: str
    stem: str
    arrived: datetime
    prompt: str
    size: int


class Library:
    """Reads an archive's folder. Its methods read files, so call them in a thread; they may run in several at once.

    Args:
        folder: the archive's folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, LibraryEntry | None] = {}
        self._lock = threading.Lock()

    def search(
        self, words: str = "", *, before: datetime | None = None, after: datetime | None = None, limit: int = 50
    ) -> list[LibraryEntry]:
        """Return the newest pictures whose text contains all words, in any case.

        Args:
            words: words or parts of words; empty for all pictures.
            before: only pictures that arrived before.
            after: only pictures that arrived at or after.
            limit: how many at most; never more than `MAX_FOUND`.
        """
        wanted = words.casefold().split()
        found: list[LibraryEntry] = []
        for stem in sorted(self._stems(), reverse=True):
            arrived = _time_of(stem)
            if (before and arrived >= before) or (after and arrived < after):
                continue
            entry = self._entry(stem)
            if entry is not None and all(word in entry.prompt.casefold() for word in wanted):
                found.append(entry)
            if len(found) >= min(limit, MAX_FOUND):
                break
        return found

    def entry(self, label: str) -> LibraryEntry | None:
        """Return one picture; None if the archive does not hold it."""
        stem = next((stem for stem in self._stems() if stem.endswith(f"-{label}")), None)
        return None if stem is None else self._entry(stem)

    def stream(self, entry: LibraryEntry) -> Bitstream:
        """Read the stream of a picture.

        Raises:
            StorageError: the file cannot be read, perhaps because it was evicted meanwhile.
            BitstreamError: it is damaged.
        """
        return Bitstream.load(self._folder / f"{entry.stem}.{WHOLE}")

    def recording(self, entry: LibraryEntry) -> bytes | None:
        """Return how a picture arrived, as `recording_from_bytes` takes it; None if that was not recorded."""
        try:
            with (self._folder / f"{entry.stem}.{ARRIVAL}").open("rb") as file:
                data = file.read(MAX_ARRIVAL + 1)
        except OSError:
            return None
        return data if len(data) <= MAX_ARRIVAL else None

    def best_picture(self, entry: LibraryEntry) -> Path | None:
        """Return the file of the picture at its highest level; None if it was not drawn."""
        paths = (self._folder / f"{entry.stem}.{kind}" for _, kind in sorted(LEVELS.items(), reverse=True))
        return next((path for path in paths if path.exists()), None)

    def _stems(self) -> Iterator[str]:
        try:
            names = [path.name for path in self._folder.iterdir()]
        except FileNotFoundError:
            # The receiver creates the folder when it starts.
            return
        except OSError as error:
            raise StorageError.of(error, self._folder, "cannot be read") from error
        for name in names:
            if (parsed := parse_name(name)) and parsed[1] == WHOLE:
                yield parsed[0].stem

    def _entry(self, stem: str) -> LibraryEntry | None:
        with self._lock:
            if stem in self._known:
                return self._known[stem]
        path = self._folder / f"{stem}.{WHOLE}"
        entry = None
        try:
            stream = Bitstream.load(path)
            texts = tuple(section for section in stream.sections if section.layer == Layer.SEMANTIC)
            semantic = Bitstream(stream.header, texts).decode().semantic
            entry = LibraryEntry(
                label=stem.rpartition("-")[2],
                stem=stem,
                arrived=_time_of(stem),
                prompt="" if semantic is None else semantic.prompt,
                size=len(stream.to_bytes()),
            )
        except (BitstreamError, StorageError):
            # The receiver logs damaged streams; a search skips them.
            entry = None
        with self._lock:
            self._known[stem] = entry
        return entry


def _time_of(stem: str) -> datetime:
    return datetime.strptime(stem[:15], "%Y%m%d-%H%M%S").replace(tzinfo=UTC)
