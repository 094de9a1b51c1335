"""Locks a file or folder for one process."""

import contextlib
import errno
import os
from pathlib import Path

from filelock import FileLock, Timeout

from layercast_common.errors import StorageError


class ProcessLock:
    """Keeps other processes from a file or folder until it is released or the process ends, even by SIGKILL.

    The lock is a file of its own: closing any handle of a SQLite file drops SQLite's own locks. It holds the process id
    of its owner, for the error text of others.

    Args:
        name: the lock file, in a folder that exists.
        subject: the file or folder that it stands for.
        error: the class of the error.

    Raises:
        StorageError: of the class `error`: another process holds the lock, or the lock file cannot be written.
    """

    def __init__(self, name: Path, subject: Path, error: type[StorageError]) -> None:
        if not name.parent.is_dir():
            # FileLock would create it.
            raise error(f"{subject} cannot be used: its folder does not exist", path=subject, errno=errno.ENOENT)
        self._lock = FileLock(name, mode=0o600, thread_local=False)
        try:
            self._lock.acquire(blocking=False)
        except Timeout as timeout:
            kind = "folder" if subject.is_dir() else "file"
            message = f"{subject} is in use by process {_read_owner(name)}; end that process, or use another {kind}"
            raise error(message, path=subject) from timeout
        except OSError as failure:
            raise error.of(failure, subject, "cannot be used") from failure
        # The process id is a hint for people: a full disk does not matter.
        with contextlib.suppress(OSError):
            name.write_text(str(os.getpid()), encoding="ascii")

    def release(self) -> None:
        """Release the lock; may be called twice."""
        self._lock.release()


def _read_owner(name: Path) -> str:
    """Return the process id in a lock file, for an error text."""
    try:
        return name.read_bytes()[:32].decode("ascii", "replace").strip() or "unknown"
    except OSError:
        return "unknown"
