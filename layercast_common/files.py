"""Atomic file writing: readers see a file either as it was or complete. Reading: of regular files only."""

import errno
import io
import os
import stat
from pathlib import Path
from typing import IO

from PIL import Image

from layercast_common.errors import StorageError
from layercast_common.stopping.unfinished import unfinished


def save_whole(content: Image.Image | str | bytes, path: Path, *, durable: bool = False) -> None:
    """Write a file atomically: into a temporary file beside it, which then takes its name.

    A device, a FIFO or a socket, such as /dev/null or /dev/stdout, is written as it is, and stays what it is.

    Args:
        content: a picture (written as PNG), a text (written as UTF-8), or bytes.
        path: the file.
        durable: whether the file must survive a power failure once this returns.

    Raises:
        StorageError: the file cannot be written.
    """
    data = _to_bytes(content)
    try:
        if _is_special(path):
            _write_special(data, path)
            return
        with unfinished(path.with_name(f".{path.name}.{os.getpid()}.part")) as temporary:
            with temporary.open("wb") as file:
                file.write(data)
                if durable:
                    file.flush()
                    os.fsync(file.fileno())
            temporary.replace(path)
        if durable:
            _sync_folder(path.parent)
    except OSError as error:
        raise StorageError.of(error, path) from error


def open_regular(path: Path | str) -> IO[bytes]:
    """Open a regular file for reading. Opening never waits, as it would for the writer of a FIFO.

    Args:
        path: the file, or a link to one.

    Raises:
        OSError: it cannot be opened, or is a folder, a device, a FIFO or a socket.
    """
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        mode = os.fstat(handle).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "it is not a regular file", os.fspath(path))
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def make_folder(folder: Path) -> None:
    """Create a folder and its parents, unless they exist.

    Raises:
        StorageError: the folder cannot be created.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise StorageError(f"{folder} is a file, not a folder", path=folder, errno=error.errno) from error
    except OSError as error:
        raise StorageError.of(error, folder, "cannot be created") from error


def _is_special(path: Path) -> bool:
    """Return whether a path exists and is neither a regular file nor a folder."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def _write_special(data: bytes, path: Path) -> None:
    """Write to a device or FIFO. A FIFO that no program reads is an error: opening it would wait for one."""
    handle = os.open(path, os.O_WRONLY | getattr(os, "O_NONBLOCK", 0))
    with os.fdopen(handle, "wb") as file:
        os.set_blocking(handle, True)
        file.write(data)


def _to_bytes(content: Image.Image | str | bytes) -> bytes:
    match content:
        case bytes():
            return content
        case str():
            return content.encode()
        case _:
            out = io.BytesIO()
            content.save(out, "PNG")
            return out.getvalue()


def _sync_folder(folder: Path) -> None:
    """Flush a folder to disk: a new file name is durable only after that."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
