"""Conversions between coefficients (3, H, W) and the flat arrays of the plane coder."""

import numpy as np
from numpy.typing import NDArray

from codec.coders.planes.geometry import (
    BLOCK_BITS,
    BLOCKS,
    CHANNEL,
    COLUMNS,
    GRID_FIELDS,
    LEAF_BITS,
    LEAVES,
    LEFT,
    ROWS,
    START,
    STRIDE,
    TOP,
    WHOLE,
)
from codec.compiled import compiled_uncounted

_LEAVES, _BLOCKS, _WHOLE = LEAVES * GRID_FIELDS, BLOCKS * GRID_FIELDS, WHOLE * GRID_FIELDS


@compiled_uncounted
def fill(coefficients: NDArray[np.float32], slots: NDArray[np.int64], most: int, truth: NDArray[np.int32]) -> None:
    """Write coefficients, (3, H, W) float32, into a flat array of zeros; clip magnitudes to `most`."""
    for number in range(slots.shape[0]):
        slot = slots[number]
        channel = coefficients[slot[CHANNEL]]
        for row in range(slot[ROWS]):
            for column in range(slot[COLUMNS]):
                value = channel[slot[TOP] + row, slot[LEFT] + column]
                size = np.int32(min(abs(value), np.float32(most)))
                if not size:
                    continue
                truth[slot[START] + row * slot[STRIDE] + column] = size if value > 0 else -size
                leaf, block = _find_nodes(slot, row, column)
                truth[leaf] = max(truth[leaf], size)
                truth[block] = max(truth[block], size)
                truth[slot[_WHOLE + START]] = max(truth[slot[_WHOLE + START]], size)


@compiled_uncounted
def spread(
    known: NDArray[np.int32],
    planes: NDArray[np.int8],
    slots: NDArray[np.int64],
    magnitudes: NDArray[np.int32],
    signs: NDArray[np.int8],
    last_plane: NDArray[np.int8],
) -> None:
    """Write the known values into arrays of (3, H, W) coefficients, see `codec.wavelet.plane.Plane`."""
    for number in range(slots.shape[0]):
        slot = slots[number]
        channel = slot[CHANNEL]
        for row in range(slot[ROWS]):
            for column in range(slot[COLUMNS]):
                place = slot[START] + row * slot[STRIDE] + column
                leaf, block = _find_nodes(slot, row, column)
                plane = min(min(planes[place], planes[leaf]), min(planes[block], planes[slot[_WHOLE + START]]))
                y, x = slot[TOP] + row, slot[LEFT] + column
                last_plane[channel, y, x] = plane
                value = known[place]
                if value:
                    magnitudes[channel, y, x] = abs(value) >> (plane + 1)
                    signs[channel, y, x] = 1 if value > 0 else -1


@compiled_uncounted
def _find_nodes(slot: NDArray[np.int64], row: int, column: int) -> tuple[int, int]:
    """Return the positions of a coefficient's leaf and block in the flat array."""
    leaf = slot[_LEAVES + START] + (row >> LEAF_BITS) * slot[_LEAVES + STRIDE] + (column >> LEAF_BITS)
    block = slot[_BLOCKS + START] + (row >> BLOCK_BITS) * slot[_BLOCKS + STRIDE] + (column >> BLOCK_BITS)
    return leaf, block
