"""Picture -> edge map, by OpenCV's Canny on the area-averaged picture, or from a given drawing of edges."""

import cv2
import numpy as np
from numpy.typing import NDArray

from codec.layers import EdgeMap, Size

#: Bounds of the upper Canny threshold: below, noise turns into lines; above, soft pictures lose all of them.
HIGH_BOUNDS = (60.0, 220.0)

#: Share of grid cells whose gradient may pass the upper threshold.
STRONG_SHARE = 0.15


def grid_size(canvas: Size, long_side: int) -> Size:
    """(columns, rows) of a grid with `long_side` cells on the canvas's long side."""
    longest = max(canvas)
    return (max(1, round(canvas[0] * long_side / longest)), max(1, round(canvas[1] * long_side / longest)))


def canny_thresholds(gray: NDArray[np.uint8]) -> tuple[float, float]:
    """Choose Canny's (low, high) from the picture: the gradient that only the strongest 15 % of pixels pass.

    Args:
        gray: (H, W) uint8.
    """
    across = cv2.Sobel(gray, cv2.CV_32F, 1, 0)
    down = cv2.Sobel(gray, cv2.CV_32F, 0, 1)
    high = float(np.quantile(np.abs(across) + np.abs(down), 1 - STRONG_SHARE))
    high = float(np.clip(high, *HIGH_BOUNDS))
    return high / 2, high


def detect_edges(picture: NDArray[np.uint8], long_side: int, thresholds: tuple[float, float] | None = None) -> EdgeMap:
    """Find the lines of a picture.

    Args:
        picture: (H, W, 3) uint8 RGB at canvas size.
        long_side: cells on the long side of the grid.
        thresholds: Canny's (low, high); chosen from the picture if not given.
    """
    height, width = picture.shape[:2]
    canvas = (width, height)
    small = cv2.resize(picture, grid_size(canvas, long_side), interpolation=cv2.INTER_AREA)
    gray = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)
    low, high = thresholds or canny_thresholds(gray)
    return EdgeMap(cv2.Canny(gray, low, high) > 0, canvas)


def edges_from_drawing(drawing: NDArray[np.uint8], long_side: int, canvas: Size) -> EdgeMap:
    """Read a drawing of edges, light lines on dark ground, of any line width.

    Args:
        drawing: (H, W) uint8; scaled to the canvas if it has another size.
        long_side: cells on the long side of the grid.
        canvas: (width, height) in pixels.
    """
    columns, rows = grid_size(canvas, long_side)
    small = cv2.resize(drawing, (columns, rows), interpolation=cv2.INTER_AREA)
    # A line thinner than a cell fills only part of it, hence the low threshold relative to the strongest cell.
    inked = np.asarray(small > max(24.0, 0.35 * float(small.max())))
    return EdgeMap(thin(inked), canvas)


def thin(grid: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Thin lines to one cell (T. Y. Zhang and C. Y. Suen, Communications of the ACM 27(3), 1984).

    Args:
        grid: (rows, columns) bool.
    """
    current = np.pad(grid, 1)
    changed = True
    while changed:
        changed = False
        for first in (True, False):
            ring = [np.roll(current, shift, (0, 1)) for shift in _RING]
            count = np.sum(ring, axis=0)
            turns = np.sum([~ring[i] & ring[(i + 1) % 8] for i in range(8)], axis=0)
            north, east, south, west = ring[0], ring[2], ring[4], ring[6]
            if first:
                open_sides = ~(north & east & south) & ~(east & south & west)
            else:
                open_sides = ~(north & east & west) & ~(north & south & west)
            doomed = current & (count >= 2) & (count <= 6) & (turns == 1) & open_sides
            if doomed.any():
                current = current & ~doomed
                changed = True
    return np.asarray(current[1:-1, 1:-1])


#: Shifts that bring each of the eight neighbours onto a cell, clockwise from north.
_RING = ((1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1))
