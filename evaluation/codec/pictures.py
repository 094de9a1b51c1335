"""The pictures and prompts that are measured, and what is held against them."""

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
from codec.structure.contours import agreement
from layercast_common.errors import UsageError

#: Canny's thresholds of the lines that decoded ones are held against.
REFERENCE_CANNY = (100, 200)

#: How far a line may be from where it should be, in pixels.
TOLERANCE = 4.0

#: The canvas that is measured on: (width, height), in pixels.
CANVAS: Size = (512, 512)

_SUFFIXES = (".png", ".webp", ".jpg", ".jpeg")

_Item = TypeVar("_Item")


class Track(Protocol):
    """Goes through items, and shows somebody how far it is."""

    def __call__(self, items: Sequence[_Item], about: str) -> Iterable[_Item]:
        """The items in turn; `about` says what is done with them."""
        ...


@dataclass(frozen=True, eq=False, slots=True)
class Measured:
    """A picture to measure with.

    Attributes:
        name: of its file.
        pixels: (512, 512, 3) uint8 RGB.
        lines: (512, 512) uint8, Canny's of it; lines are not 0.
    """

    name: str
    pixels: NDArray[np.uint8]
    lines: NDArray[np.uint8]

    def agreement(self, edges: EdgeMap | None) -> float:
        """F1 of decoded lines against those of the picture."""
        return 0.0 if edges is None else agreement(edges.to_image(), self.lines, TOLERANCE)


def read_pictures(folder: Path, limit: int) -> list[Measured]:
    """The first pictures of a folder by name, fitted to `CANVAS`.

    Raises:
        UsageError: there is no such folder, or no picture in it.
        PictureError: one cannot be read.
    """
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES)
    except OSError as error:
        raise UsageError(f"{folder}: {error.strerror or error}") from error
    if not paths or limit < 1:
        raise UsageError(f"{folder}: there is no picture in it to measure ({', '.join(_SUFFIXES)})")
    return [_measured(path) for path in paths[:limit]]


def _measured(path: Path) -> Measured:
    pixels = fit_to_canvas(load_picture(path).image, CANVAS)
    lines = cv2.Canny(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), *REFERENCE_CANNY)
    return Measured(path.name, pixels, np.asarray(lines, np.uint8))


def read_prompts(path: Path) -> list[str]:
    """The prompts of a file, one a line.

    Raises:
        UsageError: the file cannot be read, or has none.
    """
    try:
        prompts = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: {getattr(error, 'strerror', None) or error}") from error
    if not prompts:
        raise UsageError(f"{path}: there is no prompt in it (one a line is wanted)")
    return prompts
