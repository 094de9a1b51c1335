"""Files that are written whole or not at all."""

import contextlib
import io
import os
from pathlib import Path

from PIL import Image

from layercast_common.errors import StorageError


def save_whole(content: Image.Image | str | bytes, path: Path, *, durable: bool = False) -> None:
    """Write a picture as PNG, a text as UTF-8, or bytes; other programs see the file either as it was or whole.

    Args:
        content: what to write.
        path: where.
        durable: whether it must be on disk, safe from a power failure, when this returns.

    Raises:
        StorageError: the file cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with temporary.open("wb") as file:
            file.write(_bytes_of(content))
            if durable:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
        if durable:
            _sync_folder(path.parent)
    except OSError as error:
        # Where nothing can be written, such as on a disk that has become read-only, nothing can be removed either.
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise StorageError.of(error, path) from error


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, where they are not there.

    Raises:
        StorageError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise StorageError(f"{folder} is a file, not a folder", path=folder, errno=error.errno) from error
    except OSError as error:
        raise StorageError.of(error, folder, "cannot be created") from error


def _bytes_of(content: Image.Image | str | bytes) -> bytes:
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
    """A new name is safe only once its folder is."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
