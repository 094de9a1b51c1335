"""Digests of everything that may change a stream or its rendering, so that no old result passes for a new one."""

from functools import cache
from pathlib import Path

import codec
import receiver.rendering
from evaluation.rate_distortion.pictures import digest_files
from layercast_common.errors import StorageError
from receiver.rendering.model_files.files import find_files

#: Larger files are identified by name, size and date instead of their content, in bytes.
LARGE = 1 << 28

#: Digits of a digest.
_DIGITS = 16


@cache
def code_digest() -> str:
    """Return a digest of the code and the tables of the codec and of rendering."""
    folders = [Path(str(package.__file__)).parent for package in (codec, receiver.rendering)]
    code = [file for folder in folders for file in sorted(folder.rglob("*.py"))]
    tables = [file for file in sorted((folders[0] / "tables").iterdir()) if file.is_file()]
    return digest_files([*code, *tables])[:_DIGITS]


@cache
def model_digest(name: str) -> str:
    """Return a digest of a model's files.

    Raises:
        RenderError: the model is not on this machine.
        StorageError: a file cannot be read.
    """
    base = find_files(name).parts["unet"].parent
    small, large = [], []
    for file in sorted(file for file in base.rglob("*") if file.is_file()):
        try:
            status = file.stat()
        except OSError as error:
            raise StorageError.of(error, file) from error
        if status.st_size > LARGE:
            large.append(f"{file.name} {status.st_size} {status.st_mtime_ns}")
        else:
            small.append(file)
    return digest_files(small, "\n".join(large))[:_DIGITS]
