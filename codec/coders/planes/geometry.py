"""The layout of a canvas's coefficients in the plane coder: slots, blocks and leaves.

A *slot* is one band of one channel. A *leaf* is 4x4 coefficients of a slot. A *block* is 4x4 leaves. Leaves and blocks
at the right and bottom edges may be smaller. All coefficients, leaves, blocks and slots are *cells* of one flat array.
The array consists of grids, stored row by row. Each grid has a margin of zeros on all sides, so reads outside the grid
return zero.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from codec.wavelet.transform import bands, count_levels

#: A number in compiled code. Constants are passed as NumPy numbers, see `codec.coders.planes.coding`.
Number = int | np.int64

#: Width of the margin around each grid, in cells.
MARGIN = 4

#: Coefficients per side of a leaf, and leaves per side of a block.
LEAF, BLOCK = 4, 4

#: Binary logarithms of the coefficients per side of a leaf and of a block.
LEAF_BITS, BLOCK_BITS = 2, 4

#: Grids of a slot: coefficients, leaves, blocks, and the slot itself.
CELLS, LEAVES, BLOCKS, WHOLE = range(4)

#: Fields of a grid: number of rows and of columns, position of its first cell in the flat array, stride of its rows.
ROWS, COLUMNS, START, STRIDE, GRID_FIELDS = range(5)

#: Fields of a slot, after those of its four grids: channel, row and column of its first coefficient in that channel,
#: level (0 is the low band, 1 the coarsest level around it, ...) and orientation (0 is the low band).
CHANNEL, TOP, LEFT, LEVEL, ORIENTATION, FIELDS = range(4 * GRID_FIELDS, 4 * GRID_FIELDS + 6)


@dataclass(frozen=True, eq=False)
class Geometry:
    """The slots of a canvas in coding order.

    Attributes:
        slots: int64 (slots, FIELDS).
        numbers: slot numbers by (channel, level, orientation).
        size: length of the flat array in cells.
        levels: number of levels of the transform.
        canvas: (width, height) in pixels.
    """

    slots: NDArray[np.int64]
    numbers: dict[tuple[int, int, int], int]
    size: int
    levels: int
    canvas: tuple[int, int]

    @property
    def top(self) -> int:
        """The highest bit plane."""
        return self.levels + 7


@lru_cache(maxsize=8)
def lay_out(canvas: tuple[int, int]) -> Geometry:
    """Lay out a canvas of (width, height) pixels. It has slots for all bands, except the finest level of chroma."""
    levels = count_levels(*canvas)
    slots: list[list[int]] = []
    numbers: dict[tuple[int, int, int], int] = {}
    size = 0
    for band in bands(*canvas):
        level = 0 if band.orientation == 0 else levels - band.level + 1
        for channel in range(3):
            if channel and level and band.level == 1:
                continue
            slot: list[int] = []
            rows, columns = band.height, band.width
            for each in (LEAF, BLOCK, max(rows, columns), 1):
                stride = columns + 2 * MARGIN
                slot += [rows, columns, size + MARGIN * (stride + 1), stride]
                size += stride * (rows + 2 * MARGIN)
                rows, columns = -(-rows // each), -(-columns // each)
            numbers[channel, level, band.orientation] = len(slots)
            slots.append([*slot, channel, band.top, band.left, level, band.orientation])
    return Geometry(np.array(slots, np.int64), numbers, size, levels, canvas)


def field(grid: int, which: int) -> int:
    """Return the index of a field of one of the grids of a slot."""
    return grid * GRID_FIELDS + which
