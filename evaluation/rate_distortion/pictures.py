"""The measured pictures: found in a folder, fitted to their canvas."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from codec.canvas import choose_canvas, fit_to_canvas
from codec.image_io import load_picture
from codec.layers import Size
from evaluation.quality.reference import Reference
from layercast_common.errors import StorageError, UsageError

#: Files that count as pictures.
SUFFIXES = (".png", ".webp", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".ppm")


@dataclass(frozen=True, eq=False)
class Subject:
    """A picture to measure.

    Attributes:
        path: its file.
        canvas: the canvas that the user chose: (width, height) in pixels; None for the default.
    """

    path: Path
    canvas: Size | None = None

    @cached_property
    def original(self) -> NDArray[np.uint8]:
        """The picture at canvas size: (H, W, 3) uint8 RGB."""
        image = load_picture(self.path).image
        return fit_to_canvas(image, choose_canvas(image.size, self.canvas))

    @cached_property
    def reference(self) -> Reference:
        """The picture, ready for comparison."""
        return Reference(self.original)

    @property
    def size(self) -> Size:
        """(width, height) of the canvas, in pixels."""
        return (self.original.shape[1], self.original.shape[0])

    def digest(self, prompts: Path | None) -> str:
        """Return a digest of what is measured: the file, the text beside it, the chosen prompts and the canvas."""
        files = [self.path, self.path.with_suffix(".txt")]
        if prompts is not None:
            files += sorted(prompts.glob(f"{self.path.stem}*")) if prompts.is_dir() else [prompts]
        return digest_files((file for file in files if file.is_file()), str(self.canvas))


def find_pictures(folder: Path, count: int | None = None) -> list[Path]:
    """Return the pictures of a folder in order of their names; with a `count`, so many evenly spread over them.

    Raises:
        UsageError: the folder has no pictures, or the count is not positive.
        StorageError: the folder cannot be read.
    """
    if count is not None and count < 1:
        raise UsageError(f"at least one picture is measured, not {count}")
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())
    except OSError as error:
        raise StorageError.of(error, folder) from error
    if not paths:
        raise UsageError(f"no picture in {folder}; use a folder with {', '.join(SUFFIXES)} files")
    if len({path.stem for path in paths}) < len(paths):
        raise UsageError(f"two pictures in {folder} differ only in their suffix; results would have one name for both")
    return spread(paths, count)


def spread(paths: Sequence[Path], count: int | None) -> list[Path]:
    """Return `count` of the paths, evenly spread; all if `count` is None or larger."""
    if count is None or count >= len(paths):
        return list(paths)
    return [paths[index * len(paths) // count] for index in range(count)]


def digest_files(files: Iterable[Path], more: str = "") -> str:
    """Return a digest of the names and contents of files, and of a text.

    Raises:
        StorageError: a file cannot be read.
    """
    digest = hashlib.sha256(more.encode())
    for file in files:
        try:
            content = file.read_bytes()
        except OSError as error:
            raise StorageError.of(error, file) from error
        digest.update(f"{file.name} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()
