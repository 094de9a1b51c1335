"""Pictures and prompts of the benchmark, and the reference lines of the pictures."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from codec.canvas import fit_to_canvas
from codec.image_io import load_picture
from codec.layers import EdgeMap, Size
from codec.structure.contours import line_f1
from layercast_common.errors import StorageError, UsageError

#: Canny's thresholds for the reference lines.
REFERENCE_CANNY = (100, 200)

#: Largest distance of a matching line, in pixels.
TOLERANCE = 4.0

#: The canvas of the benchmark: (width, height), in pixels.
CANVAS: Size = (512, 512)

_SUFFIXES = (".png", ".webp", ".jpg", ".jpeg")

_Item = TypeVar("_Item")


class Track(Protocol):
    """Iteration over items that reports its progress."""

    def __call__(self, items: Sequence[_Item], about: str) -> Iterable[_Item]:
        """Yield the items in turn; `about` names the work."""
        ...


@dataclass(frozen=True, eq=False, slots=True)
class Measured:
    """A picture of the benchmark.

    Attributes:
        name: its file name.
        pixels: (512, 512, 3) uint8 RGB.
        lines: its reference lines by Canny: (512, 512) uint8, not 0 on lines.
    """

    name: str
    pixels: NDArray[np.uint8]
    lines: NDArray[np.uint8]

    def line_f1(self, edges: EdgeMap | None) -> float:
        """Return the F1 of decoded lines against the reference lines; 0 without lines."""
        return 0.0 if edges is None else line_f1(edges.to_image(), self.lines, TOLERANCE)


def read_pictures(folder: Path, limit: int) -> list[Measured]:
    """Read the first pictures of a folder by name, fitted to `CANVAS`.

    Raises:
        StorageError: the folder does not exist or cannot be read.
        UsageError: the folder has no pictures, or `limit` is below 1.
        PictureError: a picture cannot be read.
    """
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES)
    except OSError as error:
        raise StorageError.of(error, folder) from error
    if not paths or limit < 1:
        raise UsageError(f"{folder}: there is no picture in it ({', '.join(_SUFFIXES)})")
    return [_measured(path) for path in paths[:limit]]


def _measured(path: Path) -> Measured:
    pixels = fit_to_canvas(load_picture(path).image, CANVAS)
    lines = cv2.Canny(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), *REFERENCE_CANNY)
    return Measured(path.name, pixels, np.asarray(lines, np.uint8))


def read_prompts(path: Path) -> list[str]:
    """Read the prompts of a text file, one a line.

    Raises:
        StorageError: the file cannot be read.
        UsageError: the file is not UTF-8, or has no prompts.
    """
    try:
        prompts = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except OSError as error:
        raise StorageError.of(error, path) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: {error}") from error
    if not prompts:
        raise UsageError(f"{path}: there is no prompt in it; write one prompt a line")
    return prompts
