"""Edge map <-> payload: rows of cells, each coded under several neighbourhoods' predictions.

Payload: the grid's size, then the cells in reading order. A cut payload gives the rows that came whole.
"""

import numpy as np
from numpy.typing import NDArray

from codec.analysis.edges import grid_size
from codec.entropy import (
    LOGISTIC_BOUND,
    UNSURE,
    code_bit,
    compiled,
    finish_writing,
    learn,
    logistic_tables,
    mix,
    start_reading,
    start_writing,
)
from codec.layers import EdgeMap, Size
from layercast_errors import BitstreamError, UsageError

#: Most cells on a side of a grid.
MAX_SIDE = 256

#: A grid whose long side is a multiple of this, and whose short side follows the canvas, names its size in one byte.
SIDE_STEP = 8

_EXPLICIT = 0x80
_MARGIN = 4
_CONTEXTS = 5
_TABLE = 1 << 16


def encode_edges(edges: EdgeMap) -> bytes:
    """Code an edge map.

    Raises:
        UsageError: a side of the grid is over `MAX_SIDE` cells.
    """
    rows, columns = edges.grid.shape
    if max(rows, columns) > MAX_SIDE:
        raise UsageError(f"an edge grid has at most {MAX_SIDE} cells a side, not {columns}x{rows}")
    state, data = start_writing(rows * columns)
    cells = _padded(rows, columns)
    cells[_MARGIN:, _MARGIN:-_MARGIN] = edges.grid
    _run(state, data, cells)
    return _size_to_bytes((columns, rows), edges.canvas) + finish_writing(state, data)


def decode_edges(payload: bytes, canvas: Size, *, cut: bool = False) -> EdgeMap:
    """Decode an edge map.

    Args:
        payload: as `encode_edges` made it, or the beginning of it.
        canvas: (width, height) of the picture, in pixels.
        cut: whether bytes are missing at the end; then the rows that did not come whole stay empty.

    Raises:
        BitstreamError: no grid size, or one out of bounds.
    """
    (columns, rows), used = _size_from_bytes(payload, canvas)
    state, data = start_reading(payload[used:], cut=cut)
    cells = _padded(rows, columns)
    sound = _run(state, data, cells)
    grid = cells[_MARGIN:, _MARGIN:-_MARGIN] > 0
    grid[sound:] = False
    return EdgeMap(np.ascontiguousarray(grid), canvas)


def _size_to_bytes(size: Size, canvas: Size) -> bytes:
    longest = max(size)
    if longest % SIDE_STEP == 0 and grid_size(canvas, longest) == size:
        return bytes([longest // SIDE_STEP - 1])
    return bytes([_EXPLICIT, size[0] - 1, size[1] - 1])


def _size_from_bytes(payload: bytes, canvas: Size) -> tuple[Size, int]:
    if not payload:
        raise BitstreamError("an edge section is empty")
    if payload[0] == _EXPLICIT and len(payload) >= 3:
        return (payload[1] + 1, payload[2] + 1), 3
    if payload[0] >= MAX_SIDE // SIDE_STEP:
        raise BitstreamError(f"an edge section has an unknown grid size ({payload[0]})")
    return grid_size(canvas, (payload[0] + 1) * SIDE_STEP), 1


def _padded(rows: int, columns: int) -> NDArray[np.int32]:
    return np.zeros((rows + _MARGIN, columns + 2 * _MARGIN), np.int32)


def _run(state: NDArray[np.int64], data: NDArray[np.uint8], cells: NDArray[np.int32]) -> int:
    squash, stretch = logistic_tables()
    odds = np.full((_CONTEXTS, _TABLE), 4000, np.int32)
    counts = np.zeros((_CONTEXTS, _TABLE), np.int32)
    weights = np.full(_CONTEXTS, 65536 * 2 // 5, np.int32)
    return _code_cells(state, data, cells, odds, counts, weights, squash, stretch)


@compiled
def _code_cells(
    state: NDArray[np.int64],
    data: NDArray[np.uint8],
    cells: NDArray[np.int32],
    odds: NDArray[np.int32],
    counts: NDArray[np.int32],
    weights: NDArray[np.int32],
    squash: NDArray[np.int32],
    stretch: NDArray[np.int32],
) -> int:
    """Code every cell in reading order; return the number of rows before the first unsure bit."""
    sound = 0
    slots = np.zeros(_CONTEXTS, np.int64)
    inputs = np.zeros(_CONTEXTS, np.int32)
    for row in range(_MARGIN, cells.shape[0]):
        for column in range(_MARGIN, cells.shape[1] - _MARGIN):
            north = cells[row - 1, column - 2 : column + 4]
            above = cells[row - 2, column - 2 : column + 3]
            west, far = cells[row, column - 1], cells[row, column - 2]
            near = west | north[1] << 1 | north[2] << 2 | north[3] << 3
            ring = far | north[0] << 1 | north[4] << 2 | above[1] << 3 | above[2] << 4 | above[3] << 5
            outer = cells[row, column - 3] | north[5] << 1 | above[0] << 2 | above[4] << 3
            outer |= cells[row - 3, column - 1] << 4 | cells[row - 3, column] << 5 | cells[row - 3, column + 1] << 6
            slots[0] = near
            slots[1] = near | ring << 4
            slots[2] = near | ring << 4 | (outer & 63) << 10
            slots[3] = near | outer << 4
            busy = 0
            for up in range(1, _MARGIN + 1):
                for across in range(-_MARGIN, _MARGIN + 1):
                    busy += cells[row - up, column + across]
            slots[4] = near | min(busy, 15) << 4
            for index in range(_CONTEXTS):
                inputs[index] = stretch[odds[index, slots[index]] >> 4]
            mixed = mix(weights, inputs, _CONTEXTS)
            probability = squash[mixed + LOGISTIC_BOUND]
            bit = code_bit(state, data, cells[row, column], probability)
            cells[row, column] = bit
            learn(weights, inputs, _CONTEXTS, (bit << 16) - probability, 2)
            for index in range(_CONTEXTS):
                slot = slots[index]
                seen = counts[index, slot]
                odds[index, slot] += ((bit * 65535) - odds[index, slot]) * 2 // (2 * seen + 3)
                counts[index, slot] = min(seen + 1, 60)
        if state[UNSURE]:
            break
        sound += 1
    return sound
