"""Paths -> cells of a grid: clutter left out, what is left drawn as straight as it may be."""

import numpy as np
from numpy.typing import NDArray

from codec.coders.entropy import compiled

#: How far a drawn line may leave its path, in grid cells.
STRAIGHTEN = 0.3

#: A path is clutter where less than this share of its points lies clear of all that were drawn before, and how far is
#: clear, in quarters of a cell. Chosen on the training pictures: a grid that agrees as well takes a sixth less so.
CLEAR_SHARE = 0.3
CLEAR_REACH = 3
QUARTERS = 4


@compiled
def plot_paths(
    points: NDArray[np.float32],
    ends: NDArray[np.int64],
    most: int,
    clear_share: float,
    grid: NDArray[np.uint8],
    covered: NDArray[np.uint8],
) -> int:
    """Draw paths in turn, less the clutter.

    Args:
        points: (N, 2) float32, x and y in cells, path after path.
        ends: (paths,) int64, where each path ends in `points`.
        most: how many paths to draw at most.
        clear_share: share of a path's points without which it is clutter.
        grid: (rows, columns) uint8, set to 1 where a path was drawn.
        covered: (QUARTERS * rows, QUARTERS * columns) uint8, zeros, which is used up.

    Returns:
        How many were drawn.
    """
    drawn = 0
    start = 0
    for path in range(ends.size):
        if drawn == most:
            break
        end = ends[path]
        if _clear_points(points[start:end], covered) >= clear_share * (end - start):
            _cover(points[start:end], covered)
            _draw(points[start:end], grid)
            drawn += 1
        start = end
    return drawn


@compiled
def _clear_points(path: NDArray[np.float32], covered: NDArray[np.uint8]) -> int:
    clear = 0
    for index in range(len(path)):
        clear += covered[int(QUARTERS * path[index, 1]), int(QUARTERS * path[index, 0])] == 0
    return clear


@compiled
def _cover(path: NDArray[np.float32], covered: NDArray[np.uint8]) -> None:
    for index in range(len(path)):
        x, y = int(QUARTERS * path[index, 0]), int(QUARTERS * path[index, 1])
        for down in range(max(-CLEAR_REACH, -y), min(CLEAR_REACH, covered.shape[0] - 1 - y) + 1):
            for across in range(max(-CLEAR_REACH, -x), min(CLEAR_REACH, covered.shape[1] - 1 - x) + 1):
                if down * down + across * across <= CLEAR_REACH * CLEAR_REACH:
                    covered[y + down, x + across] = 1


@compiled
def _draw(path: NDArray[np.float32], grid: NDArray[np.uint8]) -> None:
    """Draw lines between the fewest points that the path stays near (D. Douglas and T. Peucker, 1973)."""
    # Parts of the path that are still to be drawn, the next one last.
    waiting = np.zeros((len(path) + 1, 2), np.int64)
    waiting[0, 1] = len(path) - 1
    count = 1
    while count:
        count -= 1
        first, last = waiting[count]
        x, y = path[first]
        along_x, along_y = path[last, 0] - x, path[last, 1] - y
        length = along_x * along_x + along_y * along_y
        farthest, most = first, 0.0
        for index in range(first + 1, last):
            off_x, off_y = path[index, 0] - x, path[index, 1] - y
            across = off_x * along_y - off_y * along_x
            away = across * across if length > 0 else off_x * off_x + off_y * off_y
            if away > most:
                farthest, most = index, away
        if most > STRAIGHTEN * STRAIGHTEN * (length if length > 0 else 1):
            waiting[count] = farthest, last
            waiting[count + 1] = first, farthest
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
