"""Thinning of lines to a width of one cell."""

import numpy as np
from numpy.typing import NDArray

from codec.coders.entropy import compiled
from codec.layers import EdgeMap


def thin(edges: EdgeMap) -> EdgeMap:
    """Return the map with lines thinned to one cell."""
    grid = np.pad(edges.grid.astype(np.uint8), 1)
    _thin(grid)
    return EdgeMap(grid[1:-1, 1:-1] > 0, edges.canvas)


@compiled
def _thin(grid: NDArray[np.uint8]) -> None:
    """Thin lines to one cell, in place (T. Y. Zhang and C. Y. Suen, CACM 27(3), 1984); `grid` has a border."""
    ring = ((-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1))
    removed = np.zeros(grid.size, np.int64)
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
                removed[count] = row * columns + column
                count += 1
        for index in range(count):
            grid[removed[index] // columns, removed[index] % columns] = 0
        idle = 0 if count else idle + 1
        first = not first
