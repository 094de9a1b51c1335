"""Writes the files of an archive, and tells when that begins to fail and when it works again."""

import contextlib
import errno
import logging
from pathlib import Path

from PIL import Image

from layercast_common.errors import StorageError
from layercast_common.files import save_whole

#: What a file takes at least, and in steps of which it grows, on the file systems that are in use; in bytes.
BLOCK = 4096

#: What is written, and removed at once, to see whether anything can be.
PROBE_NAME = ".probe"

_FULL = (errno.ENOSPC, errno.EDQUOT)

_log = logging.getLogger("receiver.archive")


class Disk:
    """Where an archive's files are written. To be used from one thread at a time.

    Attributes:
        failures: writes that failed.
        failing: whether the last one did.
    """

    def __init__(self) -> None:
        self.failures = 0
        self.failing = False

    def write(self, content: Image.Image | bytes, path: Path, *, durable: bool = False) -> int:
        """Write a file, as `save_whole` does; gives how many bytes more than before it takes.

        Raises:
            StorageError: it cannot be written.
        """
        before = size_of(path)
        try:
            save_whole(content, path, durable=durable)
        except StorageError as error:
            self.failures += 1
            if not self.failing:
                # Once, and not for each of the many files that follow.
                full = isinstance(error.__cause__, OSError) and error.__cause__.errno in _FULL
                hint = "; make room on the disk, or keep less (--keep)" if full else ""
                _log.error("nothing can be kept, and what is not kept is not acknowledged: %s%s", error, hint)
            self.failing = True
            raise
        if self.failing:
            _log.warning("pictures can be kept again in %s", path.parent)
        self.failing = False
        return size_of(path) - before

    def probe(self, folder: Path) -> None:
        """Find out whether files can be written again, after one could not."""
        with contextlib.suppress(StorageError, OSError):
            self.write(bytes(BLOCK), folder / PROBE_NAME, durable=True)
            (folder / PROBE_NAME).unlink()


def size_of(path: Path) -> int:
    """Bytes that a file takes on disk; 0 if it is not there."""
    try:
        return -(-path.stat().st_size // BLOCK) * BLOCK
    except FileNotFoundError:
        return 0
