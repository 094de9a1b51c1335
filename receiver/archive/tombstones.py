"""What an archive held once and holds no more: the labels of its last removed pictures, in a file of one size.

    count of labels ever added (8 bytes) | label | label | ... | zeros where none is yet

A ring: when it is full, the label that was added first gives way. All its room on the disk is taken when it is made, so
that pictures can be removed, and their labels noted, on a disk that has no room left.
"""

import logging
import os
from collections.abc import Sequence
from pathlib import Path

from layercast_common.errors import UsageError
from layercast_common.files import save_whole
from receiver.archive.names import LABEL_BYTES

#: Labels that are remembered: 800 kB on disk, about 8 MB in memory.
REMEMBERED = 100_000

_COUNT_BYTES = 8

#: What stands where no label is yet. One picture in 2^64 has it for its label, and is not remembered.
_NONE = bytes(LABEL_BYTES)

_log = logging.getLogger("receiver.archive")


class Tombstones:
    """The labels of removed pictures. To be used from one thread at a time.

    Args:
        path: the file; made if it is not there, or damaged.
        capacity: how many labels a new one holds.

    Raises:
        UsageError: it can be neither read nor made.
    """

    def __init__(self, path: Path, capacity: int = REMEMBERED) -> None:
        self._path = path
        content = self._read()
        if not content:
            content = bytes(_COUNT_BYTES + capacity * LABEL_BYTES)
            save_whole(content, path, durable=True)
        self._count = int.from_bytes(content[:_COUNT_BYTES], "little")
        self._ring = bytearray(content[_COUNT_BYTES:])
        self._known = {bytes(self._ring[at : at + LABEL_BYTES]) for at in range(0, len(self._ring), LABEL_BYTES)}
        self._known.discard(_NONE)

    def __contains__(self, label: str) -> bool:
        return bytes.fromhex(label) in self._known

    def __len__(self) -> int:
        return len(self._known)

    def add(self, labels: Sequence[str]) -> None:
        """Remember labels; when this returns they survive a power failure.

        Raises:
            UsageError: the file cannot be written; then none of them counts as added.
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
            raise UsageError(f"{self._path}: {error.strerror or error}") from error
        for place, label in zip(places, new, strict=True):
            self._known.discard(bytes(self._ring[place : place + LABEL_BYTES]))
            self._ring[place : place + LABEL_BYTES] = label
            self._known.add(label)
        self._count += len(new)

    def _read(self) -> bytes:
        """What the file holds; nothing if there is none, or none that we wrote."""
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise UsageError(f"{self._path}: {error.strerror or error}") from error
        if len(content) <= _COUNT_BYTES or len(content) % LABEL_BYTES:
            _log.error("%s is damaged: which pictures were removed before is not known any more", self._path)
            return b""
        return content
