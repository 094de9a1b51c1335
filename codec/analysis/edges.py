"""Drawing of edges -> edge map; lines may be lighter or darker than the background."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from codec.canvas import fit_to_canvas
from codec.image_io import load_picture
from codec.layers import EdgeMap, Size, grid_size
from codec.structure.thinning import thin

#: Smallest difference from the background that counts as a line, of 255.
MIN_INK = 24


def load_edge_picture(path: Path | str, canvas: Size, long_side: int) -> EdgeMap:
    """Read a picture file of edges: light on dark, dark on light, or on a transparent background.

    Args:
        path: the file; it is cropped to the canvas's aspect in the same way as the picture.
        canvas: (width, height) of the picture, in pixels.
        long_side: cells on the long side of the grid.

    Raises:
        PictureError: the file cannot be read or is not a picture.
    """
    image = load_picture(path).image
    if _is_uniform(image):
        # Light lines on a transparent background vanish on white.
        image = load_picture(path, ground=(0, 0, 0)).image
    gray = np.asarray(Image.fromarray(fit_to_canvas(image, canvas)).convert("L"), np.uint8)
    return edges_from_drawing(light_on_dark(gray), long_side, canvas)


def light_on_dark(drawing: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Convert a drawing to light lines on black: each pixel is its difference from the background, scaled to 255.

    The background is the median, as lines cover less than half of a drawing.

    Args:
        drawing: (H, W) uint8.
    """
    ink = np.abs(drawing.astype(np.int32) - int(np.median(drawing)))
    strongest = int(ink.max())
    if strongest < MIN_INK:
        return np.zeros_like(drawing)
    return np.asarray(ink * 255 // strongest, np.uint8)


def edges_from_drawing(drawing: NDArray[np.uint8], long_side: int, canvas: Size) -> EdgeMap:
    """Convert a drawing of edges, light lines of any width on a dark background.

    Args:
        drawing: (H, W) uint8, of any size.
        long_side: cells on the long side of the grid.
        canvas: (width, height) in pixels.
    """
    columns, rows = grid_size(canvas, long_side)
    small = cv2.resize(drawing, (columns, rows), interpolation=cv2.INTER_AREA)
    # A line thinner than a cell fills only part of it; so the threshold is low relative to the strongest cell.
    inked = np.asarray(small > max(24.0, 0.35 * float(small.max())))
    return thin(EdgeMap(inked, canvas))


def _is_uniform(image: Image.Image) -> bool:
    return all(low == high for low, high in image.getextrema())  # type: ignore[misc]
