"""Paths -> cells of a grid: without clutter, each path drawn with as few straight lines as allowed."""

import numpy as np
from numpy.typing import NDArray

from codec.coders.entropy import compiled

#: Largest distance of a drawn line from its path, in grid cells.
STRAIGHTEN = 0.3

#: A path is clutter if less than CLEAR_SHARE of its points lie clear of all paths drawn before. A point is clear beyond
#: CLEAR_REACH quarters of a cell. Tuned on the training pictures: an equally good grid takes a sixth fewer bytes.
CLEAR_SHARE = 0.3
CLEAR_REACH = 3
QUARTERS = 4


@compiled
def draw_paths(
    points: NDArray[np.float32],
    ends: NDArray[np.int64],
    limit: int,
    clear_share: float,
    grid: NDArray[np.uint8],
    covered: NDArray[np.uint8],
) -> int:
    """Draw paths in turn, without the clutter.

    Args:
        points: (N, 2) float32, x and y in cells, path after path.
        ends: (paths,) int64, index in `points` at which each path ends.
        limit: largest number of paths to draw.
        clear_share: share of clear points below which a path is clutter.
        grid: (rows, columns) uint8, set to 1 in drawn cells.
        covered: (QUARTERS * rows, QUARTERS * columns) uint8 zeros, used as a buffer.

    Returns:
        The number of drawn paths.
    """
    drawn = 0
    start = 0
    for path in range(ends.size):
        if drawn == limit:
            break
        end = ends[path]
        if _count_clear_points(points[start:end], covered) >= clear_share * (end - start):
            _mark_covered(points[start:end], covered)
            _draw_path(points[start:end], grid)
            drawn += 1
        start = end
    return drawn


@compiled
def _count_clear_points(path: NDArray[np.float32], covered: NDArray[np.uint8]) -> int:
    clear = 0
    for index in range(len(path)):
        clear += covered[int(QUARTERS * path[index, 1]), int(QUARTERS * path[index, 0])] == 0
    return clear


@compiled
def _mark_covered(path: NDArray[np.float32], covered: NDArray[np.uint8]) -> None:
    for index in range(len(path)):
        x, y = int(QUARTERS * path[index, 0]), int(QUARTERS * path[index, 1])
        for down in range(max(-CLEAR_REACH, -y), min(CLEAR_REACH, covered.shape[0] - 1 - y) + 1):
            for across in range(max(-CLEAR_REACH, -x), min(CLEAR_REACH, covered.shape[1] - 1 - x) + 1):
                if down * down + across * across <= CLEAR_REACH * CLEAR_REACH:
                    covered[y + down, x + across] = 1


@compiled
def _draw_path(path: NDArray[np.float32], grid: NDArray[np.uint8]) -> None:
    """Draw a path as few straight lines that stay near it (D. Douglas and T. Peucker, 1973)."""
    # Stack of the parts that remain to be drawn.
    stack = np.zeros((len(path) + 1, 2), np.int64)
    stack[0, 1] = len(path) - 1
    count = 1
    while count:
        count -= 1
        first, last = stack[count]
        x, y = path[first]
        along_x, along_y = path[last, 0] - x, path[last, 1] - y
        length = along_x * along_x + along_y * along_y
        farthest, largest = first, 0.0
        for index in range(first + 1, last):
            off_x, off_y = path[index, 0] - x, path[index, 1] - y
            across = off_x * along_y - off_y * along_x
            away = across * across if length > 0 else off_x * off_x + off_y * off_y
            if away > largest:
                farthest, largest = index, away
        if largest > STRAIGHTEN * STRAIGHTEN * (length if length > 0 else 1):
            stack[count] = farthest, last
            stack[count + 1] = first, farthest
            count += 2
        else:
            _draw_line(int(x), int(y), int(path[last, 0]), int(path[last, 1]), grid)


@compiled
def _draw_line(x: int, y: int, last_x: int, last_y: int, grid: NDArray[np.uint8]) -> None:
    """Set the cells of a straight line (J. E. Bresenham, 1965)."""
    wide, high = abs(last_x - x), -abs(last_y - y)
    right, down = 1 if x < last_x else -1, 1 if y < last_y else -1
    error = wide + high
    grid[y, x] = 1
    while x != last_x or y != last_y:
        twice = 2 * error
        if twice >= high:
            error += high
            x += right
        if twice <= wide:
            error += wide
            y += down
        grid[y, x] = 1
