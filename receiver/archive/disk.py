"""Writes the files of an archive, and logs when writing starts to fail and when it works again."""

import contextlib
import errno
import logging
from pathlib import Path

from PIL import Image

from layercast_common.errors import ArchiveError, StorageError
from layercast_common.files import save_whole

#: Smallest unit of allocation on common file systems, in bytes.
BLOCK = 4096

#: A file that is written and removed to test whether the disk accepts files again.
PROBE_NAME = ".probe"

_FULL = (errno.ENOSPC, errno.EDQUOT)

_log = logging.getLogger(__name__)


class Disk:
    """Writes files for an archive. Use it from one thread at a time.

    Attributes:
        failures: the number of failed writes.
        failing: whether the last write failed.
    """

    def __init__(self) -> None:
        self.failures = 0
        self.failing = False

    def write(self, content: Image.Image | bytes, path: Path, *, durable: bool = False) -> int:
        """Write a file, as `save_whole` does, and return by how many bytes on disk it has grown.

        Raises:
            ArchiveError: the file cannot be written.
        """
        before = size_of(path)
        try:
            save_whole(content, path, durable=durable)
        except StorageError as error:
            self.failures += 1
            if not self.failing:
                # Log the first failure only: many may follow.
                hint = "; free some disk space, or keep less (--keep)" if error.errno in _FULL else ""
                _log.error("the archive cannot be written, pictures are not acknowledged: %s%s", error, hint)
            self.failing = True
            raise ArchiveError.convert(error) from error
        if self.failing:
            _log.warning("the archive %s can be written again", path.parent)
        self.failing = False
        return size_of(path) - before

    def probe(self, folder: Path) -> None:
        """Test whether files can be written again after a failure; sets `failing`."""
        with contextlib.suppress(ArchiveError, OSError):
            self.write(bytes(BLOCK), folder / PROBE_NAME, durable=True)
            (folder / PROBE_NAME).unlink()


def size_of(path: Path) -> int:
    """Return the bytes that a file takes on disk; 0 if it does not exist."""
    try:
        return -(-path.stat().st_size // BLOCK) * BLOCK
    except FileNotFoundError:
        return 0
