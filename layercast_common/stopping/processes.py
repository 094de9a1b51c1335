"""Child processes: finds and kills those of a process, with theirs."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

#: How long children may take to end by themselves after SIGTERM, in seconds.
TERM_WAIT = 0.1


def descendants(process: int) -> list[int]:
    """Return the ids of the children of a process, and of their children. Only Linux has this list; else empty."""
    children: dict[int, list[int]] = {}
    for one, fields in _status():
        children.setdefault(int(fields[1]), []).append(one)
    found = list(children.get(process, ()))
    for one in found:
        found += children.get(one, ())
    return found


def session_members(session: int) -> set[int]:
    """Return the ids of the processes of a session that have not ended. Only Linux has this list; else empty."""
    return {one for one, fields in _status() if int(fields[3]) == session and fields[0] != b"Z"}


def kill_descendants(process: int, *, spare: int = 0) -> None:
    """End the children of a process and theirs: by SIGTERM, then by SIGKILL.

    Args:
        process: the process.
        spare: the id of a child that stays.
    """
    for number, wait in ((signal.SIGTERM, TERM_WAIT), (signal.SIGKILL, 0.0)):
        found = [one for one in descendants(process) if one != spare]
        for one in found:
            with contextlib.suppress(OSError):
                os.kill(one, number)
        if found:
            time.sleep(wait)


def _status() -> Iterator[tuple[int, list[bytes]]]:
    """Yield the id of each process and its fields: state, parent, process group, session, ..."""
    names: list[str] = []
    with contextlib.suppress(OSError):
        names = os.listdir("/proc")  # noqa: PTH208 - thousands of names
    for name in names:
        if name.isdecimal():
            # A process may end meanwhile. The command's name, in parentheses, may contain spaces.
            with contextlib.suppress(OSError):
                fields = Path(f"/proc/{name}/stat").read_bytes().rpartition(b")")[2].split()
                if fields:
                    yield int(name), fields
