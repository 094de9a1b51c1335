"""Edge map <-> payload: rows of cells, each coded by what a trained network says of its neighbourhood.

Payload: the grid's size, then the cells in reading order. A cut payload gives the rows that came whole.

    1 byte    EXPLICIT, FINER, HALVED, long side / 8 - 1 (5 bits)
    0, 2      EXPLICIT: columns - 1, rows - 1
    rest      arithmetic-coded cells

A map that is FINER doubles the map before it in the stream: of that one, each cell that is set has at least one of four
set, and a cell that is not set has none. Lines of a map that is HALVED are thick: they are drawn thinned.
"""

import numpy as np
from numpy.typing import NDArray

from codec.coders.neighbours import (
    PLAIN,
    REACH_ACROSS,
    REACH_COARSE,
    REACH_UP,
    close_row,
    flat_steps,
    gather,
    gather_coarse,
    kind_of,
    load_network,
    predict,
)
from codec.entropy import (
    LOGISTIC_BOUND,
    UNSURE,
    code_bit,
    compiled,
    finish_writing,
    logistic_tables,
    start_reading,
    start_writing,
)
from codec.layers import EdgeMap, Size, grid_size
from layercast_errors import BitstreamError, UsageError

#: Most cells on a side of a grid.
MAX_SIDE = 256

#: A grid whose long side is a multiple of this, and whose short side follows the canvas, names its size in one byte.
SIDE_STEP = 8

_EXPLICIT = 0x80
_FINER = 0x40
_HALVED = 0x20
_SIDE_MASK = 0x1F

#: How fast the learnt corrections of the network move: for each small neighbourhood, for each larger one.
_SMALL_RATE, _LARGE_RATE = 3, 6


def encode_edges(edges: EdgeMap, base: EdgeMap | None = None, *, halved: bool = False) -> bytes:
    """Code an edge map.

    Args:
        edges: the map.
        base: the map that the decoder has already, which must be `halve(edges)`; None if it has none.
        halved: whether the map was made by halving a finer one, so that its lines are thick.

    Raises:
        UsageError: a side of the grid is over `MAX_SIDE` cells, or `base` is another map.
    """
    rows, columns = edges.grid.shape
    if max(rows, columns) > MAX_SIDE:
        raise UsageError(f"an edge grid has at most {MAX_SIDE} cells a side, not {columns}x{rows}")
    if base is not None and base != halve(edges):
        raise UsageError("a finer edge map must halve to the map that it refines")
    state, data = start_writing(rows * columns)
    cells = _padded(rows, columns)
    cells[REACH_UP:, REACH_ACROSS:-REACH_ACROSS] = edges.grid
    flags = (_FINER if base is not None else 0) | (_HALVED if halved else 0)
    _run(state, data, cells, None if base is None else base.grid, halved=halved)
    return _size_to_bytes((columns, rows), edges.canvas, flags) + finish_writing(state, data)


def decode_edges(payload: bytes, canvas: Size, *, base: EdgeMap | None = None, cut: bool = False) -> EdgeMap:
    """Decode an edge map.

    Args:
        payload: as `encode_edges` made it, or the beginning of it.
        canvas: (width, height) of the picture, in pixels.
        base: the map that the stream had before.
        cut: whether bytes are missing at the end; then the rows that did not come whole are the base's, or empty.

    Raises:
        BitstreamError: no grid size, or one out of bounds, or a finer map without the map that it refines.
    """
    (columns, rows), flags, used = _size_from_bytes(payload, canvas)
    finer = bool(flags & _FINER)
    if finer and (base is None or base.grid.shape != (-(-rows // 2), -(-columns // 2))):
        raise BitstreamError("an edge section refines a map that did not come before it")
    coarse = base.grid if finer and base is not None else None
    state, data = start_reading(payload[used:], cut=cut)
    cells = _padded(rows, columns)
    sound = _run(state, data, cells, coarse, halved=bool(flags & _HALVED))
    grid = cells[REACH_UP:, REACH_ACROSS:-REACH_ACROSS] > 0
    grid[sound:] = False
    if coarse is not None and sound < rows:
        sound -= sound % 2
        grid[sound:] = np.repeat(np.repeat(coarse, 2, axis=0), 2, axis=1)[sound:rows, :columns]
    return EdgeMap(np.ascontiguousarray(grid), canvas)


def halve(edges: EdgeMap) -> EdgeMap:
    """The map on a grid half as fine: a cell is set where any of its four is."""
    rows, columns = edges.grid.shape
    even = np.pad(edges.grid, ((0, rows % 2), (0, columns % 2)))
    halved = even[::2, ::2] | even[1::2, ::2] | even[::2, 1::2] | even[1::2, 1::2]
    return EdgeMap(halved, edges.canvas)


def _size_to_bytes(size: Size, canvas: Size, flags: int) -> bytes:
    longest = max(size)
    if longest % SIDE_STEP == 0 and grid_size(canvas, longest) == size:
        return bytes([flags | longest // SIDE_STEP - 1])
    return bytes([flags | _EXPLICIT, size[0] - 1, size[1] - 1])


def _size_from_bytes(payload: bytes, canvas: Size) -> tuple[Size, int, int]:
    if not payload:
        raise BitstreamError("an edge section is empty")
    side = payload[0] & _SIDE_MASK
    if not payload[0] & _EXPLICIT:
        return grid_size(canvas, (side + 1) * SIDE_STEP), payload[0], 1
    if side or len(payload) < 3:
        raise BitstreamError("an edge section does not start with the size of its grid")
    return (payload[1] + 1, payload[2] + 1), payload[0], 3


def is_halved(payload: bytes) -> bool:
    """Whether the map of a payload was made by halving a finer one."""
    return bool(payload and payload[0] & _HALVED)


def _padded(rows: int, columns: int) -> NDArray[np.uint8]:
    return np.zeros((rows + REACH_UP, columns + 2 * REACH_ACROSS), np.uint8)


def _run(
    state: NDArray[np.int64],
    data: NDArray[np.uint8],
    cells: NDArray[np.uint8],
    coarse: NDArray[np.bool_] | None,
    *,
    halved: bool,
) -> int:
    rows, columns = cells.shape[0] - REACH_UP, cells.shape[1] - 2 * REACH_ACROSS
    network = load_network(coarse is not None)
    squash, _ = logistic_tables()
    around = np.pad(np.zeros((0, 0), np.uint8) if coarse is None else coarse.astype(np.uint8), REACH_COARSE)
    sound = _code_cells(
        state,
        data,
        cells,
        around,
        coarse is not None,
        kind_of(rows, columns, halved=halved),
        flat_steps(cells.shape[1]),
        network.first,
        network.first_bias,
        network.second,
        network.second_bias,
        network.third,
        network.third_bias,
        squash,
    )
    return int(sound)


@compiled
def _code_cells(
    state: NDArray[np.int64],
    data: NDArray[np.uint8],
    cells: NDArray[np.uint8],
    around: NDArray[np.uint8],
    finer: bool,
    kind: int,
    steps: NDArray[np.int64],
    first: NDArray[np.int32],
    first_bias: NDArray[np.int32],
    second: NDArray[np.int32],
    second_bias: NDArray[np.int32],
    third: NDArray[np.int32],
    third_bias: int,
    squash: NDArray[np.int32],
) -> int:
    """Code every cell in reading order; return the number of rows before the first unsure bit."""
    rows, columns = cells.shape[0] - REACH_UP, cells.shape[1] - 2 * REACH_ACROSS
    sums = np.zeros((rows + 1, columns + 1), np.int32)
    small, large = np.zeros(16, np.int64), np.zeros(1024, np.int64)
    empty = np.zeros(1 << 16, np.int32)
    hidden = np.zeros(first_bias.size, np.int32)
    active = np.zeros(first.shape[0], np.int64)
    sound = 0
    for row in range(rows):
        for column in range(columns):
            y, x = row + REACH_UP, column + REACH_ACROSS
            if finer:
                if not around[(row >> 1) + REACH_COARSE, (column >> 1) + REACH_COARSE]:
                    continue
                if row & column & 1 and not (cells[y - 1, x - 1] or cells[y - 1, x] or cells[y, x - 1]):
                    cells[y, x] = 1
                    continue
            near = cells[y, x - 1] | cells[y - 1, x - 1] << 1 | cells[y - 1, x] << 2 | cells[y - 1, x + 1] << 3
            far = cells[y, x - 2] | cells[y - 1, x - 2] << 1 | cells[y - 1, x + 2] << 2
            far |= cells[y - 2, x - 1] << 3 | cells[y - 2, x] << 4 | cells[y - 2, x + 1] << 5
            far = near | far << 4
            count = gather(cells, sums, row, column, kind, steps, active)
            if finer:
                count = gather_coarse(around, row, column, active, count)
            # Where nothing is near, little else matters: remembering it halves the time of a sparse map.
            plain = count == PLAIN and not finer
            place = active[0] << 8 | active[1]
            if plain and empty[place]:
                value = empty[place] - 1 - LOGISTIC_BOUND
            else:
                value = predict(active, count, hidden, first, first_bias, second, second_bias, third, third_bias)
            if plain:
                empty[place] = value + 1 + LOGISTIC_BOUND
            value += (small[near] + large[far]) >> 8
            probability = squash[max(-LOGISTIC_BOUND, min(LOGISTIC_BOUND, value)) + LOGISTIC_BOUND]
            bit = code_bit(state, data, cells[y, x], probability)
            cells[y, x] = bit
            error = (bit << 16) - probability
            small[near] += error * _SMALL_RATE >> 6
            large[far] += error * _LARGE_RATE >> 6
        if state[UNSURE]:
            break
        close_row(cells, sums, row)
        sound += 1
    return sound
