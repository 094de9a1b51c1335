"""A folder of received pictures: the stream as received, and the picture at each level.

Every file is written atomically. File names serve as the index: a picture whose label appears in one is not stored
again. `Tombstones` keeps the labels of evicted pictures, which are not stored again either.
"""

import contextlib
import logging
import shutil
from collections.abc import Callable, Collection, Iterator
from datetime import datetime
from pathlib import Path

from PIL import Image

from codec.container.bitstream import Bitstream
from codec.layers import Layer
from layercast_common.errors import ArchiveError, BitstreamError, StorageError
from layercast_common.files import make_folder
from layercast_common.steady_clock import steady_now
from receiver.archive.disk import PROBE_NAME, Disk, size_of
from receiver.archive.index import ArchiveIndex
from receiver.archive.names import ARRIVAL, KINDS, LEVELS, PART, WHOLE, ArchivedPicture, parse_name, stem_of
from receiver.archive.retention import RetentionPolicy
from receiver.archive.stats import ArchiveStats
from receiver.archive.tombstones import Tombstones

#: File name of the tombstones.
TOMBSTONES_NAME = "removed.labels"

#: Pictures that one call of `evict` removes at most, so that writes do not wait long for it.
EVICTION_BATCH = 100

_log = logging.getLogger(__name__)


class Archive:
    """A folder of received pictures. Use it from one thread at a time, in one process.

    Args:
        folder: the folder; created if it does not exist.
        policy: size and age limits; none by default.
        clock: returns the present time; it must not jump while the archive is open.

    Raises:
        ArchiveError: the folder cannot be created, read or written.
    """

    def __init__(
        self,
        folder: Path,
        policy: RetentionPolicy | None = None,
        *,
        clock: Callable[[], datetime] = steady_now,
    ) -> None:
        try:
            make_folder(folder)
        except StorageError as error:
            raise ArchiveError.convert(error) from error
        self.folder = folder
        self._policy = policy or RetentionPolicy()
        self._clock = clock
        self._disk = Disk()
        self._index = ArchiveIndex()
        self._evictions = 0
        path = folder / TOMBSTONES_NAME
        self._tombstones = Tombstones(path) if self._policy.evicts or path.exists() else None
        try:
            self._scan()
        except OSError as error:
            raise ArchiveError.of(error, folder, "cannot be used as an archive") from error
        if self._index.distrust_clock(self._policy, now=self._clock()):
            message = "the clock or the pictures in %s are wrong by more than --keep-days: they are kept from now on"
            _log.warning(message, folder)

    @property
    def failing(self) -> bool:
        """Whether the last write failed."""
        return self._disk.failing

    def holds(self, label: str) -> bool:
        """Return whether a picture's complete stream is on disk, or was until it was evicted."""
        return label in self._index.whole or (self._tombstones is not None and label in self._tombstones)

    def store(self, label: str, arrived: datetime, stream: Bitstream | bytes) -> None:
        """Write a complete stream; it survives a power failure once this returns. Does nothing if the archive holds it.

        Args:
            label: the picture's label.
            arrived: time of its first packet.
            stream: the stream; its bytes if this version cannot read it.

        Raises:
            ArchiveError: the stream cannot be written.
        """
        if self.holds(label):
            return
        picture = ArchivedPicture(stem_of(label, arrived), label)
        content = stream if isinstance(stream, bytes) else stream.to_bytes()
        self._write(picture, WHOLE, content, durable=True)
        self._index.whole[label] = picture
        self._remove_part(label)

    def store_part(self, label: str, arrived: datetime, stream: Bitstream) -> None:
        """Write the received part of an incomplete stream, until the complete one arrives. Only logs write errors."""
        if self.holds(label):
            return
        self._remove_part(label)
        picture = ArchivedPicture(stem_of(label, arrived), label)
        with contextlib.suppress(ArchiveError):
            self._write(picture, PART, stream.to_bytes())
            self._index.parts[label] = picture

    def store_level(self, label: str, arrived: datetime, level: Layer, image: Image.Image) -> None:
        """Write the picture at a level. It can be rendered again, so write errors are only logged."""
        picture = self._index.whole.get(label)
        if picture is None and self.holds(label):
            return
        with contextlib.suppress(ArchiveError):
            self._write(picture or ArchivedPicture(stem_of(label, arrived), label), LEVELS[level], image)

    def store_arrival(self, label: str, recording: bytes) -> None:
        """Write how a stored picture arrived. The page can do without it, so write errors are only logged."""
        if (picture := self._index.whole.get(label)) is not None:
            with contextlib.suppress(ArchiveError):
                self._write(picture, ARRIVAL, recording)

    def evict(self, in_use: Collection[str] = ()) -> int:
        """Remove the oldest pictures that exceed the limits, at most `EVICTION_BATCH` at a time.

        For each picture, its tombstone is written first, then its stream is removed, then the other files. After a
        crash in between, the next start removes the rest. The newest picture is exempt from the size limit.

        Args:
            in_use: labels of pictures that must stay.

        Returns:
            The number of removed pictures.

        Raises:
            ArchiveError: the tombstones cannot be written, or a file cannot be removed.
        """
        expired = self._index.select_expired(self._policy, now=self._clock(), in_use=in_use, limit=EVICTION_BATCH)
        if not expired:
            return 0
        if self._tombstones is not None:
            self._tombstones.add([one.label for one in expired if self._index.whole.get(one.label) == one])
        for one in expired:
            self._remove(one)
        level = logging.INFO if self._evictions else logging.WARNING
        self._evictions += len(expired)
        _log.log(
            level,
            "evicted the %d oldest pictures, up to %s, to stay within the limits",
            len(expired),
            expired[-1].stem,
        )
        return len(expired)

    def probe(self) -> None:
        """Test whether files can be written again after a failure."""
        self._disk.probe(self.folder)

    def stats(self) -> ArchiveStats:
        """Return the present figures. Safe to call from any thread."""
        try:
            free = shutil.disk_usage(self.folder).free
        except OSError:
            free = 0
        return ArchiveStats(
            pictures=len(self._index.whole),
            size=self._index.size,
            free=free,
            evicted=self._evictions,
            failures=self._disk.failures,
            failing=self.failing,
        )

    def undrawn(self) -> Iterator[tuple[ArchivedPicture, Bitstream]]:
        """Yield the complete streams that lack the picture at their highest level, oldest first."""
        # Copy first: another thread may store a picture while this one sorts.
        pictures = list(self._index.whole.values())
        for picture in sorted(pictures, key=lambda picture: picture.stem):
            try:
                stream = Bitstream.load(self._path(picture, WHOLE))
                # Decoding is slow: skip it where the files already show that the highest level is drawn.
                known = (Layer(one.layer) for one in stream.sections if one.layer in LEVELS)
                if self._is_drawn(picture, max(known, default=None)):
                    continue
                level = max(stream.decode().layers, default=None)
            except (BitstreamError, StorageError, OSError) as error:
                if picture.label in self._index.whole:
                    _log.warning("%s cannot be read and is skipped: %s", picture.stem, error)
                continue
            if level is not None and not self._is_drawn(picture, level):
                yield picture, stream

    def _is_drawn(self, picture: ArchivedPicture, level: Layer | None) -> bool:
        return level is not None and self._path(picture, LEVELS[level]).exists()

    def _path(self, picture: ArchivedPicture, kind: str) -> Path:
        return self.folder / f"{picture.stem}.{kind}"

    def _write(
        self, picture: ArchivedPicture, kind: str, content: Image.Image | bytes, *, durable: bool = False
    ) -> None:
        self._index.resize(picture, self._disk.write(content, self._path(picture, kind), durable=durable))

    def _remove(self, picture: ArchivedPicture) -> None:
        """Remove all files of a picture, the stream first: files without a stream are not taken for a picture."""
        for kind in KINDS:
            path = self._path(picture, kind)
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise ArchiveError.of(error, path, "cannot be removed") from error
        self._index.remove(picture)

    def _remove_part(self, label: str) -> None:
        picture = self._index.parts.pop(label, None)
        if picture is not None:
            size = size_of(path := self._path(picture, PART))
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
                self._index.resize(picture, -size)

    def _scan(self) -> None:
        """Build the index from the folder, and finish the writes and evictions of a process that was killed."""
        found: list[tuple[ArchivedPicture, str, int]] = []
        for path in self.folder.iterdir():
            if path.name == PROBE_NAME or _is_temporary(path.name):
                path.unlink(missing_ok=True)
            elif parsed := parse_name(path.name):
                found.append((*parsed, size_of(path)))
        for picture, kind, size in sorted(found, key=lambda one: one[0].stem):
            self._index.resize(picture, size)
            if kind in (WHOLE, PART):
                (self._index.whole if kind == WHOLE else self._index.parts)[picture.label] = picture
        for label in self._index.whole.keys() & self._index.parts.keys():
            self._remove_part(label)
        for picture in self._index.pictures:
            if self.holds(picture.label) and picture.label not in self._index.whole:
                self._remove(picture)


def _is_temporary(name: str) -> bool:
    """Return whether a file is left over from an interrupted write."""
    whole = name[1:].rsplit(".", 2)[0]
    ours = parse_name(whole) is not None or whole in (TOMBSTONES_NAME, PROBE_NAME)
    return name.startswith(".") and name.endswith(".part") and ours
