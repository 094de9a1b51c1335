"""Where the coefficients of a canvas lie for the plane coder: slots, blocks and leaves, in integers.

A *slot* is one band of one channel. A *leaf* is 4x4 coefficients of a slot, a *block* 4x4 leaves; those at the right
and at the bottom may be smaller. All coefficients, leaves, blocks and slots are *cells* of one flat array: grids, row
by row, each with a margin of nothing on all sides, so that what is outside reads as zero.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from codec.wavelet.transform import bands, count_levels

#: Cells of nothing around each grid.
MARGIN = 4

#: Coefficients on a side of a leaf, leaves on a side of a block, and logarithms of what a leaf and a block have.
LEAF, BLOCK = 4, 4
LEAF_BITS, BLOCK_BITS = 2, 4

#: Grids of a slot: its coefficients, its leaves, its blocks, itself.
CELLS, LEAVES, BLOCKS, WHOLE = range(4)

#: Fields of a grid: its size, where its first cell is in the flat array, and how far apart its rows are.
ROWS, COLUMNS, START, STRIDE, GRID_FIELDS = range(5)

#: Fields of a slot, after those of its four grids: its channel, where its first coefficient is in that, its level (0
#: the low band, 1 the coarsest around it, ...) and orientation (0 the low band).
CHANNEL, TOP, LEFT, LEVEL, ORIENTATION, FIELDS = range(4 * GRID_FIELDS, 4 * GRID_FIELDS + 6)


@dataclass(frozen=True, eq=False)
class Geometry:
    """Slots of a canvas in the order of coding.

    Attributes:
        slots: int64 (slots, FIELDS).
        numbers: of the slots, by (channel, level, orientation).
        size: length of the flat array.
        levels: of the transform.
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
    """Slots of a canvas of (width, height) pixels: of all bands, but not the finest ones of chroma."""
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
    """The index of a field of one of a slot's grids."""
    return grid * GRID_FIELDS + which
