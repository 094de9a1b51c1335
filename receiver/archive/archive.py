"""A folder of received pictures: the stream as it came and the picture at each level.

Every file is written whole under another name and then moved, so that a reader never meets half of one. The name is
also the memory: a picture whose label is among the names is held, and is not taken in again; of those that were removed
to stay within the bounds, `Tombstones` remembers it.
"""

import contextlib
import logging
import shutil
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from PIL import Image

from codec.container.bitstream import Bitstream
from codec.layers import Layer
from layercast_common.errors import BitstreamError, StorageError, UsageError
from layercast_common.files import make_folder
from receiver.archive.disk import PROBE_NAME, Disk, size_of
from receiver.archive.index import ArchiveIndex
from receiver.archive.names import KINDS, LEVELS, PART, WHOLE, Kept, parse_name, stem_of
from receiver.archive.retention import RetentionPolicy
from receiver.archive.tombstones import Tombstones

#: The file of the removed pictures' labels.
REMOVED_NAME = "removed.labels"

#: Pictures that one `trim` removes at most: nobody waits for long who wants to keep one.
TRIM_BATCH = 100

_log = logging.getLogger("receiver.archive")


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveFigures:
    """An archive at this moment.

    Attributes:
        pictures: whole streams that it holds.
        size: bytes on disk of all that it holds.
        free: bytes that are free on its disk.
        removed: pictures that went since the start to stay within the bounds.
        failures: writes that failed since the start.
        failing: whether the last one did.
    """

    pictures: int
    size: int
    free: int
    removed: int
    failures: int
    failing: bool


class Archive:
    """A folder of received pictures. To be used from one thread at a time, and by one process.

    Args:
        folder: where; made if it is not there.
        bounds: how much to keep, and for how long; everything for ever by default.
        clock: the present.

    Raises:
        UsageError: there can be no such folder, or it cannot be used.
    """

    def __init__(
        self,
        folder: Path,
        bounds: RetentionPolicy | None = None,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        make_folder(folder)
        self.folder = folder
        self._bounds = bounds or RetentionPolicy()
        self._clock = clock
        self._disk = Disk()
        self._stock = ArchiveIndex()
        self._removals = 0
        path = folder / REMOVED_NAME
        self._removed = Tombstones(path) if self._bounds.any or path.exists() else None
        try:
            self._look()
        except OSError as error:
            raise UsageError(f"{folder} cannot be used as an archive: {error.strerror or error}") from error

    @property
    def failing(self) -> bool:
        """Whether the last file could not be written."""
        return self._disk.failing

    def holds(self, label: str) -> bool:
        """Whether the whole of a picture is on disk, or was until it was removed to stay within the bounds."""
        return label in self._stock.whole or (self._removed is not None and label in self._removed)

    def keep(self, label: str, began: datetime, stream: Bitstream) -> None:
        """Keep a whole stream; when this returns it survives a power failure. One that is held already is left alone.

        Raises:
            UsageError: it cannot be written.
        """
        if self.holds(label):
            return
        kept = Kept(stem_of(label, began), label)
        self._save(kept, WHOLE, stream.to_bytes(), durable=True)
        self._stock.whole[label] = kept
        self._remove_part(label)

    def keep_part(self, label: str, began: datetime, stream: Bitstream) -> None:
        """Keep what came of a stream that broke off, until the whole of it comes. A full disk is only logged."""
        if self.holds(label):
            return
        self._remove_part(label)
        kept = Kept(stem_of(label, began), label)
        with contextlib.suppress(UsageError):
            self._save(kept, PART, stream.to_bytes())
            self._stock.parts[label] = kept

    def save_level(self, label: str, began: datetime, level: Layer, image: Image.Image) -> None:
        """Keep the picture at a level. It can be drawn again, so a full disk is only logged."""
        kept = self._stock.whole.get(label)
        if kept is None and self.holds(label):
            return
        with contextlib.suppress(UsageError):
            self._save(kept or Kept(stem_of(label, began), label), LEVELS[level], image)

    def trim(self, in_use: Collection[str] = ()) -> int:
        """Remove the oldest pictures until the others are within the bounds, but only so many that nobody waits.

        Each goes with all its files: first its label is noted, then its stream goes, then the rest; what a crash leaves
        of it goes at the next start. The newest stays whatever its size.

        Args:
            in_use: the labels of pictures that must stay for now.

        Returns:
            How many went; 0 if there is nothing to do.

        Raises:
            UsageError: they cannot be removed.
        """
        doomed = self._stock.doomed(self._bounds, now=self._clock(), in_use=in_use, limit=TRIM_BATCH)
        if not doomed:
            return 0
        if self._removed is not None:
            self._removed.add([one.label for one in doomed if self._stock.whole.get(one.label) == one])
        for one in doomed:
            self._remove(one)
        level = logging.INFO if self._removals else logging.WARNING
        self._removals += len(doomed)
        message = "the oldest pictures were removed, to keep no more than wanted: %d, up to %s"
        _log.log(level, message, len(doomed), doomed[-1].stem)
        return len(doomed)

    def probe(self) -> None:
        """Find out whether files can be written again, after one could not."""
        self._disk.probe(self.folder)

    def figures(self) -> ArchiveFigures:
        """The figures of this moment; may be called from any thread."""
        try:
            free = shutil.disk_usage(self.folder).free
        except OSError:
            free = 0
        return ArchiveFigures(
            pictures=len(self._stock.whole),
            size=self._stock.size,
            free=free,
            removed=self._removals,
            failures=self._disk.failures,
            failing=self.failing,
        )

    def undrawn(self) -> Iterator[tuple[Kept, Bitstream]]:
        """The whole streams whose picture at their highest level is not there, oldest first."""
        # A copy first: while it is sorted, another thread may keep a picture.
        pictures = list(self._stock.whole.values())
        for kept in sorted(pictures, key=lambda kept: kept.stem):
            try:
                stream = Bitstream.load(self._path(kept, WHOLE))
                # Only what seems not to be drawn is worth decoding.
                known = (Layer(one.layer) for one in stream.sections if one.layer in LEVELS)
                if self._is_drawn(kept, max(known, default=None)):
                    continue
                level = max(stream.decode().layers, default=None)
            except (BitstreamError, StorageError, OSError) as error:
                if kept.label in self._stock.whole:
                    _log.warning("%s cannot be read and is left alone: %s", kept.stem, error)
                continue
            if level is not None and not self._is_drawn(kept, level):
                yield kept, stream

    def _is_drawn(self, kept: Kept, level: Layer | None) -> bool:
        return level is not None and self._path(kept, LEVELS[level]).exists()

    def _path(self, kept: Kept, kind: str) -> Path:
        return self.folder / f"{kept.stem}.{kind}"

    def _save(self, kept: Kept, kind: str, content: Image.Image | bytes, *, durable: bool = False) -> None:
        self._stock.grow(kept, self._disk.write(content, self._path(kept, kind), durable=durable))

    def _remove(self, kept: Kept) -> None:
        """Remove all files of a picture, the stream first: without it, nobody takes the rest for a picture.

        Raises:
            UsageError: they cannot be removed.
        """
        try:
            for kind in KINDS:
                self._path(kept, kind).unlink(missing_ok=True)
        except OSError as error:
            raise UsageError(f"{self.folder}: {kept.stem} cannot be removed: {error.strerror or error}") from error
        self._stock.remove(kept)

    def _remove_part(self, label: str) -> None:
        kept = self._stock.parts.pop(label, None)
        if kept is not None:
            path = self._path(kept, PART)
            size = size_of(path)
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
                self._stock.grow(kept, -size)

    def _look(self) -> None:
        """Take stock of what is there, and finish what a process began that was killed."""
        found: list[tuple[Kept, str, int]] = []
        for path in self.folder.iterdir():
            if path.name == PROBE_NAME or _is_half(path.name):
                path.unlink(missing_ok=True)
            elif parsed := parse_name(path.name):
                found.append((*parsed, size_of(path)))
        for kept, kind, size in sorted(found, key=lambda one: one[0].stem):
            self._stock.grow(kept, size)
            if kind in (WHOLE, PART):
                (self._stock.whole if kind == WHOLE else self._stock.parts)[kept.label] = kept
        for label in self._stock.whole.keys() & self._stock.parts.keys():
            self._remove_part(label)
        for kept in self._stock.pictures:
            if self.holds(kept.label) and kept.label not in self._stock.whole:
                self._remove(kept)


def _is_half(name: str) -> bool:
    """Whether a file is what is left of a write that was never finished."""
    whole = name[1:].rsplit(".", 2)[0]
    ours = parse_name(whole) is not None or whole in (REMOVED_NAME, PROBE_NAME)
    return name.startswith(".") and name.endswith(".part") and ours
