"""Labels of the pictures last evicted from an archive, in a file of constant size.

    number of labels ever added (8 bytes, little-endian) | label | label | ... | zeros in unused slots

The slots form a ring: in a full one, a new label replaces the oldest. The file is allocated in full when it is created,
so that pictures can be evicted and recorded even on a full disk.
"""

import logging
import os
from collections.abc import Sequence
from pathlib import Path

from layercast_common.errors import ArchiveError, StorageError
from layercast_common.files import save_whole
from receiver.archive.names import LABEL_BYTES

#: Slots of a new file: 800 kB on disk, about 8 MB in memory.
CAPACITY = 100_000

_COUNT_BYTES = 8

#: An unused slot. One picture in 2^64 has this label; it is not remembered.
_UNUSED = bytes(LABEL_BYTES)

_log = logging.getLogger(__name__)


class Tombstones:
    """Labels of evicted pictures. Use it from one thread at a time.

    Args:
        path: the file; created if it is missing or damaged.
        capacity: slots of a new file.

    Raises:
        ArchiveError: the file can be neither read nor created.
    """

    def __init__(self, path: Path, capacity: int = CAPACITY) -> None:
        self._path = path
        content = self._read()
        if not content:
            content = bytes(_COUNT_BYTES + capacity * LABEL_BYTES)
            try:
                save_whole(content, path, durable=True)
            except StorageError as error:
                raise ArchiveError.convert(error) from error
        self._count = int.from_bytes(content[:_COUNT_BYTES], "little")
        self._ring = bytearray(content[_COUNT_BYTES:])
        self._known = {bytes(self._ring[at : at + LABEL_BYTES]) for at in range(0, len(self._ring), LABEL_BYTES)}
        self._known.discard(_UNUSED)

    def __contains__(self, label: str) -> bool:
        return bytes.fromhex(label) in self._known

    def __len__(self) -> int:
        return len(self._known)

    def add(self, labels: Sequence[str]) -> None:
        """Add labels; they survive a power failure once this returns.

        Raises:
            ArchiveError: the file cannot be written; no label was added.
        """
        new = [label for label in map(bytes.fromhex, labels) if label not in self._known]
        places = [(self._count + number) * LABEL_BYTES % len(self._ring) for number in range(len(new))]
        try:
            with self._path.open("r+b") as file:
                for place, label in zip(places, new, strict=True):
                    file.seek(_COUNT_BYTES + place)
                    file.write(label)
                file.seek(0)
                file.write((self._count + len(new)).to_bytes(_COUNT_BYTES, "little"))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise ArchiveError.of(error, self._path) from error
        for place, label in zip(places, new, strict=True):
            self._known.discard(bytes(self._ring[place : place + LABEL_BYTES]))
            self._ring[place : place + LABEL_BYTES] = label
            self._known.add(label)
        self._count += len(new)

    def _read(self) -> bytes:
        """Return the file's content; nothing if it is missing or damaged."""
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise ArchiveError.of(error, self._path) from error
        if len(content) <= _COUNT_BYTES or len(content) % LABEL_BYTES:
            _log.error("%s is damaged: evicted pictures may be received and stored again", self._path)
            return b""
        return content
