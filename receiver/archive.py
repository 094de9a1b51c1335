"""What came, kept on disk: the stream as it was received and the picture at each level.

    20260131-120000-9f86d081884c7d65.lcast            a whole stream
    20260131-120000-9f86d081884c7d65.semantic.png     the picture at a level
    20260131-120000-9f86d081884c7d65.part.lcast       what came of a stream that broke off

Every file is written whole under another name and then moved, so that a reader never meets half of one. Names are made
here, from the time and a digest of who sent which picture; nothing that a sender says becomes part of a path. The name
is also the memory: a picture whose digest is among the names is held, and is not taken in again.
"""

import hashlib
import logging
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from PIL import Image

from codec.bitstream import Bitstream
from codec.layers import Layer
from layercast_errors import BitstreamError, LayercastError
from receiver.files import make_folder, save_whole

_log = logging.getLogger("receiver.archive")

_NAME = re.compile(r"(?P<stem>\d{8}-\d{6}-(?P<label>[0-9a-f]{16}))\.(?P<kind>.+)")


def label_of(stream: bytes, epoch: int, image: int) -> str:
    """Our name of a picture: the same whenever and over whatever link it comes, and safe in paths and addresses.

    Args:
        stream: the sender's id of itself.
        epoch: its run that the number belongs to.
        image: its number of the picture.
    """
    identity = b"%d:%s%d,%d" % (len(stream), stream, epoch, image)
    return hashlib.blake2s(identity, digest_size=8).hexdigest()


@dataclass(frozen=True, slots=True)
class Kept:
    """A whole stream of the archive: its name without suffixes, and the picture's label."""

    stem: str
    label: str


class Archive:
    """A folder of received pictures. To be used from one thread at a time, and by one process.

    Args:
        folder: where; made if it is not there.

    Raises:
        UsageError: there can be no such folder.
    """

    def __init__(self, folder: Path) -> None:
        make_folder(folder)
        self.folder = folder
        self._remove_halves()
        self._kept = {kept.label: kept for kept in self._read_names()}

    def holds(self, label: str) -> bool:
        """Whether the whole of a picture is on disk."""
        return label in self._kept

    def keep(self, label: str, began: datetime, stream: Bitstream) -> None:
        """Keep a whole stream; when this returns it survives a power failure. One that is held already is left alone.

        Raises:
            UsageError: it cannot be written.
        """
        if label in self._kept:
            return
        kept = Kept(stem_of(label, began), label)
        save_whole(stream.to_bytes(), self.folder / f"{kept.stem}.lcast", durable=True)
        self._kept[label] = kept
        self._remove_parts(label)

    def keep_part(self, label: str, began: datetime, stream: Bitstream) -> None:
        """Keep what came of a stream that broke off, until the whole of it comes. A full disk is only logged."""
        if label in self._kept:
            return
        try:
            self._remove_parts(label)
            save_whole(stream.to_bytes(), self.folder / f"{stem_of(label, began)}.part.lcast")
        except (LayercastError, OSError) as error:
            _log.error("not archived: %s", error)

    def save_level(self, label: str, began: datetime, level: Layer, image: Image.Image) -> None:
        """Keep the picture at a level. It can be drawn again, so a full disk is only logged."""
        kept = self._kept.get(label)
        stem = kept.stem if kept else stem_of(label, began)
        try:
            save_whole(image, self._level_path(stem, level))
        except LayercastError as error:
            _log.error("not archived: %s", error)

    def undrawn(self) -> Iterator[tuple[Kept, Bitstream]]:
        """The whole streams whose picture at their highest level is not there, oldest first."""
        for kept in sorted(self._kept.values(), key=lambda kept: kept.stem):
            try:
                stream = Bitstream.load(self.folder / f"{kept.stem}.lcast")
                level = max(stream.decode().layers, default=None)
            except (BitstreamError, OSError) as error:
                _log.warning("%s cannot be read and is left alone: %s", kept.stem, error)
                continue
            if level is not None and not self._level_path(kept.stem, level).exists():
                yield kept, stream

    def _level_path(self, stem: str, level: Layer) -> Path:
        return self.folder / f"{stem}.{level.name.lower()}.png"

    def _read_names(self) -> Iterator[Kept]:
        for path in self.folder.iterdir():
            name = _NAME.fullmatch(path.name)
            if name and name["kind"] == "lcast":
                yield Kept(name["stem"], name["label"])

    def _remove_parts(self, label: str) -> None:
        for path in self.folder.glob(f"*-{label}.part.lcast"):
            path.unlink(missing_ok=True)

    def _remove_halves(self) -> None:
        """Remove what a process left that was killed while it wrote."""
        for path in self.folder.glob(".*.part"):
            if _NAME.match(path.name[1:]) and path.name.rsplit(".", 2)[1] != str(os.getpid()):
                path.unlink(missing_ok=True)


def stem_of(label: str, began: datetime) -> str:
    """A picture's name among files, without suffixes."""
    return f"{began:%Y%m%d-%H%M%S}-{label}"
