"""One process at a time."""

import fcntl
import os
from pathlib import Path

from layercast_common.errors import OutboxError


class FileLock:
    """Keeps other processes from a file until it is released or the process ends, however it ends.

    Beside the file and not on it: closing any handle of a SQLite file drops the locks that SQLite itself holds.

    Raises:
        OutboxError: another process holds it, or there can be no such file.
    """

    def __init__(self, path: Path) -> None:
        name = path.with_name(f"{path.name}.lock")
        try:
            self._handle = os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise OutboxError(f"{path} cannot be used: {error.strerror or error}") from error
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(self._handle, 32, 0).decode("ascii", "replace").strip()
            os.close(self._handle)
            raise OutboxError(
                f"{path} is in use by process {holder or 'unknown'}; end that one, or take another file"
            ) from error
        os.ftruncate(self._handle, 0)
        os.pwrite(self._handle, str(os.getpid()).encode(), 0)

    def release(self) -> None:
        """Let others have it; may be called twice."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1
