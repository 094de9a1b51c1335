"""Picture -> colour map, by averaging."""

import cv2
import numpy as np
from numpy.typing import NDArray

from codec.layers import ColorMap, Size

#: Side of a colour cell in pixels of canvas, as in T2I-Adapter's colour adapter.
CELL = 64


def average_colors(picture: NDArray[np.uint8], cell: int = CELL) -> ColorMap:
    """Average the picture over square cells.

    Args:
        picture: (H, W, 3) uint8 RGB at canvas size.
        cell: side of a cell, in canvas pixels.
    """
    height, width = picture.shape[:2]
    return average_grid(picture, (max(1, round(width / cell)), max(1, round(height / cell))))


def average_grid(picture: NDArray[np.uint8], size: Size) -> ColorMap:
    """Average the picture over a grid of `size` (columns, rows)."""
    height, width = picture.shape[:2]
    colors = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return ColorMap(np.asarray(colors, np.uint8), (width, height))
