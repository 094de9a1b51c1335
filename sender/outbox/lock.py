"""Locks an outbox for one process."""

import contextlib
import errno
import os
from pathlib import Path

from filelock import FileLock, Timeout

from layercast_common.errors import OutboxError


class OutboxLock:
    """Keeps other processes from an outbox until it is released or the process ends, even by SIGKILL.

    The lock is a file of its own beside the outbox: closing any handle of a SQLite file drops SQLite's own locks. It
    holds the process id of its owner, for the error text of others.

    Args:
        path: the outbox.

    Raises:
        OutboxError: another process holds the lock, or the lock file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        if not path.parent.is_dir():
            # FileLock would create it.
            raise OutboxError(f"{path} cannot be used: its folder does not exist", path=path, errno=errno.ENOENT)
        name = path.with_name(f"{path.name}.lock")
        self._lock = FileLock(name, mode=0o600, thread_local=False)
        try:
            self._lock.acquire(blocking=False)
        except Timeout as error:
            message = f"{path} is in use by process {_read_owner(name)}; end that process, or use another file"
            raise OutboxError(message, path=path) from error
        except OSError as error:
            raise OutboxError.of(error, path, "cannot be used") from error
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
