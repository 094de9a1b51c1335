"""The measured pictures: found in a folder, fitted to their canvas."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from codec.canvas import CANVAS_STEP, MAX_CANVAS_SIDE, MIN_CANVAS_SIDE, choose_canvas, fit_to_canvas
from codec.image_io import load_picture
from codec.layers import Size
from evaluation.quality.reference import Measure, Reference
from layercast_common.errors import StorageError, UsageError

#: Files that count as pictures.
SUFFIXES = (".png", ".webp", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".ppm")


@dataclass(frozen=True, eq=False)
class EvaluatedPicture:
    """A picture to measure.

    Attributes:
        path: its file.
        canvas: (width, height) in pixels; "native" for the picture's own size; None for the default of `encode`.
        extra: extra figures by name, see `Reference`.
    """

    path: Path
    canvas: Size | Literal["native"] | None = None
    extra: Mapping[str, Measure] = field(default_factory=dict)

    @cached_property
    def original(self) -> NDArray[np.uint8]:
        """The picture at canvas size: (H, W, 3) uint8 RGB."""
        image = load_picture(self.path).image
        wanted = native_canvas(image.size) if self.canvas == "native" else self.canvas
        return fit_to_canvas(image, choose_canvas(image.size, wanted))

    @cached_property
    def reference(self) -> Reference:
        """The picture, ready for comparison."""
        return Reference(self.original, self.extra)

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


def native_canvas(size: Size) -> Size:
    """Return the largest canvas that is not larger than a picture of (width, height), within the limits of a canvas."""
    width, height = (max(MIN_CANVAS_SIDE, min(side, MAX_CANVAS_SIDE) // CANVAS_STEP * CANVAS_STEP) for side in size)
    return (width, height)


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
