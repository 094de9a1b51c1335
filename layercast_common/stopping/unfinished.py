"""Files and folders that a process removes at its end, however it ends: unfinished writes and scratch folders."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_paths: set[str] = set()
_listeners: list[Callable[[str, bool], None]] = []


@contextmanager
def unfinished(path: Path) -> Iterator[Path]:
    """Register a file or folder as unfinished within the block, and remove it afterwards if it is still there.

    Give a finished file its own name within the block.

    Args:
        path: the file or folder; it need not exist yet.
    """
    name = os.path.abspath(path)  # noqa: PTH100 - Path.absolute keeps "..", and the folder may be another one by then
    _register(name, present=True)
    try:
        yield path
    finally:
        remove(name)
        _register(name, present=False)


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Create a temporary folder for the block.

    Raises:
        OSError: it cannot be created.
    """
    with unfinished(Path(tempfile.mkdtemp(prefix="layercast-"))) as folder:
        yield folder


def remove_all() -> None:
    """Remove everything that is unfinished; called at the very end of the process."""
    for name in tuple(_paths):
        remove(name)


def remove(name: str) -> None:
    """Remove a file or folder. Errors are ignored: on a disk that has become read-only, removing fails as well."""
    with contextlib.suppress(OSError):
        if os.path.isdir(name) and not os.path.islink(name):  # noqa: PTH112, PTH114 - not for strings of a dying process
            shutil.rmtree(name, ignore_errors=True)
        else:
            os.unlink(name)  # noqa: PTH108


def on_change(listener: Callable[[str, bool], None]) -> None:
    """Call a function with each path that is registered (True) or no longer is (False)."""
    _listeners.append(listener)


def _register(name: str, *, present: bool) -> None:
    if present:
        _paths.add(name)
    else:
        _paths.discard(name)
    for listener in _listeners:
        listener(name, present)
