"""Child processes: finds and kills those of a process, with theirs."""

import contextlib
import os
import signal
import time
from pathlib import Path

#: How long children may take to end by themselves after SIGTERM, in seconds.
TERM_WAIT = 0.1


def descendants(process: int) -> list[int]:
    """Return the ids of the children of a process, and of their children. Only Linux has this list; else empty."""
    children: dict[int, list[int]] = {}
    for name in _listed():
        # The command's name, in parentheses, may contain spaces; the parent's id is the second field after it.
        with contextlib.suppress(OSError, ValueError, IndexError):
            fields = Path(f"/proc/{name}/stat").read_bytes().rpartition(b")")[2].split()
            children.setdefault(int(fields[1]), []).append(int(name))
    found = list(children.get(process, ()))
    for one in found:
        found += children.get(one, ())
    return found


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


def _listed() -> list[str]:
    try:
        return [name for name in os.listdir("/proc") if name.isdecimal()]  # noqa: PTH208 - thousands of names
    except OSError:
        return []
