"""Regions of a picture: rectangles, and masks of any shape."""

import re
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from codec.canvas import fit_to_canvas
from codec.image_io import PictureSource, load_picture
from codec.layers import Size
from layercast_common.errors import UsageError

#: Smallest value of a mask picture that counts as inside, of 255.
MASK_THRESHOLD = 128


@dataclass(frozen=True, slots=True)
class Rectangle:
    """An upright rectangle, in canvas pixels from the top left."""

    x: int
    y: int
    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.x},{self.y},{self.width},{self.height}"

    def pixels(self, canvas: Size) -> NDArray[np.bool_]:
        """Return the region as (H, W) bool at canvas size, true inside.

        Raises:
            UsageError: the rectangle is empty, or leaves the canvas.
        """
        right, bottom = self.x + self.width, self.y + self.height
        if self.width < 1 or self.height < 1:
            raise UsageError(f"the rectangle {self} is empty; it is X,Y,WIDTH,HEIGHT in canvas pixels")
        if self.x < 0 or self.y < 0 or right > canvas[0] or bottom > canvas[1]:
            raise UsageError(f"the rectangle {self} leaves the canvas, which is {canvas[0]}x{canvas[1]} pixels")
        inside = np.zeros(canvas[::-1], np.bool_)
        inside[self.y : bottom, self.x : right] = True
        return inside


@dataclass(frozen=True, eq=False, slots=True)
class Mask:
    """A region of any shape: (H, W) bool at canvas size, true inside."""

    inside: NDArray[np.bool_]

    def pixels(self, canvas: Size) -> NDArray[np.bool_]:
        """Return the region as (H, W) bool at canvas size, true inside.

        Raises:
            UsageError: the mask has another size or type, or is empty.
        """
        if self.inside.dtype != np.bool_ or self.inside.shape != canvas[::-1]:
            found = f"{self.inside.dtype} {self.inside.shape}"
            raise UsageError(f"a mask is bool {canvas[::-1]}, as the canvas, not {found}")
        if not self.inside.any():
            raise UsageError("the mask has nothing inside")
        return self.inside


#: A part of a picture.
Region = Rectangle | Mask


def parse_rectangle(text: str) -> Rectangle:
    """Parse "X,Y,WIDTH,HEIGHT".

    Raises:
        UsageError: the text is not of that form.
    """
    match = re.fullmatch(r"\s*([0-9]{1,6})\s*,\s*([0-9]{1,6})\s*,\s*([0-9]{1,6})\s*,\s*([0-9]{1,6})\s*", text)
    if match is None:
        raise UsageError(f"a rectangle is X,Y,WIDTH,HEIGHT in canvas pixels, such as 300,40,120,200, not {text[:40]!r}")
    return Rectangle(*(int(number) for number in match.groups()))


def load_mask(source: PictureSource, canvas: Size) -> Mask:
    """Load a mask picture, white inside and black outside.

    Args:
        source: a file, a PIL image, or an array; cropped and scaled to the canvas in the same way as pictures.
        canvas: (width, height), in pixels.

    Raises:
        PictureError: the file cannot be read or is not a picture.
        UsageError: the mask has no white pixels.
    """
    image = load_picture(source, ground=(0, 0, 0)).image
    gray = np.asarray(Image.fromarray(fit_to_canvas(image, canvas)).convert("L"))
    inside = gray >= MASK_THRESHOLD
    if not inside.any():
        name = source if isinstance(source, str | Path) else "the mask"
        raise UsageError(f"{name}: the mask has no white pixels; white marks the inside")
    return Mask(inside)


def coverage(inside: NDArray[np.bool_], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return the share of each cell of a grid that lies inside, 0..1; above 0 if any part of the cell does.

    Args:
        inside: (H, W) bool.
        shape: (rows, columns) of the grid, which may be finer than the pixels.
    """
    sums = cv2.integral(inside.astype(np.uint8)).astype(np.float64)
    (top, bottom), (left, right) = (_bounds(inside.shape[axis], shape[axis]) for axis in (0, 1))
    found = sums[bottom][:, right] - sums[top][:, right] - sums[bottom][:, left] + sums[top][:, left]
    return np.asarray(found / np.outer(bottom - top, right - left))


def _bounds(pixels: int, cells: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first pixel that each cell touches, and the one after its last."""
    borders = np.arange(cells + 1) * pixels
    return borders[:-1] // cells, -(-borders[1:] // cells)
