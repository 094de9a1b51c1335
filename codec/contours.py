"""The contours of a picture as paths, and their drawing on a grid of any size.

A grid made from paths keeps their true places, where Canny on a shrunken picture shifts and joins them: the same
lines are found again with a third fewer bytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from codec.analysis.edges import grid_size
from codec.entropy import compiled
from codec.layers import EdgeMap, Size

#: Canny's upper thresholds, from that of busy pictures to that of soft ones.
HIGH_THRESHOLDS = (200, 120, 70, 40)

#: Share of pixels on lines below which a picture is soft and the next lower threshold is taken.
MIN_DENSITY = 0.015

#: How far a drawn line may leave its path, in grid cells.
STRAIGHTEN = 0.3


@dataclass(frozen=True, slots=True)
class Contours:
    """Paths that lines take, the longest first.

    Attributes:
        paths: (N, 2) float32 each, x and y in canvas pixels.
        canvas: (width, height), in pixels.
    """

    paths: tuple[NDArray[np.float32], ...]
    canvas: Size

    def draw(self, side: int, count: int | None = None) -> EdgeMap:
        """Draw the longest `count` paths (all, if not given) on a grid with `side` cells on its long side."""
        columns, rows = grid_size(self.canvas, side)
        scale = np.array([columns / self.canvas[0], rows / self.canvas[1]], np.float32)
        drawn = np.zeros((rows, columns), np.uint8)
        lines = []
        for path in self.paths[:count]:
            line = cv2.approxPolyDP(path * scale, STRAIGHTEN, False)
            lines.append(np.floor(line).astype(np.int32))
        cv2.polylines(drawn, lines, False, 1)
        grid = np.pad(drawn, 1)
        _thin(grid)
        return EdgeMap(grid[1:-1, 1:-1] > 0, self.canvas)


def find_contours(picture: NDArray[np.uint8]) -> tuple[Contours, NDArray[np.uint8]]:
    """Find a picture's contours by Canny at full size.

    Args:
        picture: (H, W, 3) uint8 RGB at canvas size.

    Returns:
        The contours, and the lines that they come from: (H, W) uint8, 0 or 255.
    """
    gray = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    for high in HIGH_THRESHOLDS:
        lines = np.asarray(cv2.Canny(gray, high / 2, high), np.uint8)
        if np.count_nonzero(lines) >= MIN_DENSITY * lines.size:
            break
    return trace(lines > 0, (picture.shape[1], picture.shape[0])), lines


def trace(grid: NDArray[np.bool_], canvas: Size) -> Contours:
    """Follow the lines of a grid.

    Args:
        grid: (rows, columns) bool; lines are one cell wide.
        canvas: (width, height) that the grid stands for, in pixels.
    """
    points, ends = _follow(np.pad(grid, 1).astype(np.uint8))
    scale = np.array([canvas[0] / grid.shape[1], canvas[1] / grid.shape[0]], np.float32)
    paths = np.split((points - 0.5) * scale, ends[:-1])
    return Contours(tuple(_longest_first([path.astype(np.float32) for path in paths if len(path)])), canvas)


def _longest_first(paths: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    return sorted(paths, key=len, reverse=True)


def agreement(drawn: NDArray[np.uint8], lines: NDArray[np.uint8], tolerance: float) -> float:
    """How well drawn lines tell true ones: the harmonic mean (F1) of how much of each lies near the other.

    Args:
        drawn: (H, W) uint8, lines are not 0.
        lines: (H, W) uint8, lines are not 0.
        tolerance: what is near, in pixels.
    """
    precision, recall = _share_near(drawn, lines, tolerance), _share_near(lines, drawn, tolerance)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _share_near(lines: NDArray[np.uint8], others: NDArray[np.uint8], tolerance: float) -> float:
    if not lines.any():
        return 1.0
    distance = cv2.distanceTransform((others == 0).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return float(np.mean(distance[lines > 0] <= tolerance))


@compiled
def _follow(left: NDArray[np.uint8]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Walk every line from its end, then what is left (loops) from anywhere; `left` has a border and is used up."""
    steps = ((0, 1), (1, 0), (0, -1), (-1, 0), (1, 1), (1, -1), (-1, 1), (-1, -1))
    total = 0
    for row in range(left.shape[0]):
        for column in range(left.shape[1]):
            total += left[row, column]
    points = np.zeros((total, 2), np.int32)
    ends = np.zeros(total + 1, np.int64)
    placed = walks = 0
    for loops in range(2):
        for row in range(1, left.shape[0] - 1):
            for column in range(1, left.shape[1] - 1):
                if not left[row, column]:
                    continue
                neighbours = 0
                for down, across in steps:
                    neighbours += left[row + down, column + across]
                if neighbours != 1 and not loops:
                    continue
                here, there = row, column
                walking = True
                while walking:
                    points[placed, 0] = there
                    points[placed, 1] = here
                    placed += 1
                    left[here, there] = 0
                    walking = False
                    for down, across in steps:
                        if left[here + down, there + across]:
                            here += down
                            there += across
                            walking = True
                            break
                ends[walks] = placed
                walks += 1
    return points, ends[:walks]


@compiled
def _thin(grid: NDArray[np.uint8]) -> None:
    """Thin lines to one cell, in place (T. Y. Zhang and C. Y. Suen, CACM 27(3), 1984); `grid` has a border."""
    ring = ((-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1))
    doomed = np.zeros(grid.size, np.int64)
    columns = grid.shape[1]
    idle = 0
    first = True
    while idle < 2:
        count = 0
        for row in range(1, grid.shape[0] - 1):
            for column in range(1, columns - 1):
                if not grid[row, column]:
                    continue
                set_cells = turns = 0
                before = grid[row - 1, column - 1]
                for down, across in ring:
                    cell = grid[row + down, column + across]
                    set_cells += cell
                    turns += 1 if cell and not before else 0
                    before = cell
                if not 2 <= set_cells <= 6 or turns != 1:
                    continue
                north, east = grid[row - 1, column], grid[row, column + 1]
                south, west = grid[row + 1, column], grid[row, column - 1]
                if first and ((north and east and south) or (east and south and west)):
                    continue
                if not first and ((north and east and west) or (north and south and west)):
                    continue
                doomed[count] = row * columns + column
                count += 1
        for index in range(count):
            grid[doomed[index] // columns, doomed[index] % columns] = 0
        idle = 0 if count else idle + 1
        first = not first
