"""Edge map <-> payload: each cell is coded with the prediction of a trained network.

Payload: the grid's size, then the cells in reading order. A cut payload decodes to the rows that arrived completely.

    1 byte    EXPLICIT, FINER, HALVED, size (5 bits)
    0 to 2    EXPLICIT: long side - 1 if the size is 1; columns - 1, rows - 1 if it is 0
    rest      arithmetic-coded cells

The size is the long side / 8 - 1. In a FINER map its bits mean that rows (2) and columns (1) are one less than twice
those of the coarser map.

A FINER map doubles the map before it in the stream: each set cell of that map has at least one of its four cells set,
and a cell that is not set has none. The lines of a HALVED map are thick and are thinned before they are drawn.
"""

import numpy as np
from numpy.typing import NDArray

from codec.coders.edges.cells import code_cells
from codec.coders.edges.model import REACH_ACROSS, REACH_COARSE, REACH_UP, empty_windows, grid_kind, load_network
from codec.coders.entropy import finish_writing, logistic_tables, start_reading, start_writing
from codec.layers import EdgeMap, Size, grid_size
from layercast_common.errors import BitstreamError, UsageError

#: Most cells on a side of a grid, and of a grid that was made by halving another.
MAX_SIDE = 256
MAX_HALVED_SIDE = MAX_SIDE // 2

#: Most set cells of a map; thin lines, however close, need no more.
MAX_SET = MAX_SIDE * MAX_SIDE // 2

#: The size takes one byte if the long side is a multiple of this, and the short side follows the canvas.
SIDE_STEP = 8

_EXPLICIT = 0x80
_FINER = 0x40
_HALVED = 0x20
_SIZE_MASK = 0x1F
_LONG_SIDE = 1


def encode_edges(edges: EdgeMap, base: EdgeMap | None = None, *, halved: bool = False) -> bytes:
    """Encode an edge map.

    Args:
        edges: the map.
        base: the coarser map that the decoder already has, which must be `halve(edges)`; None without one.
        halved: the map was made by halving a finer one, so its lines are thick.

    Raises:
        UsageError: a side of the grid is over `MAX_SIDE` cells, more than `MAX_SET` cells are set, or
            `base` is not the halved map.
    """
    rows, columns = edges.grid.shape
    limit = MAX_HALVED_SIDE if halved else MAX_SIDE
    if max(rows, columns) > limit:
        raise UsageError(f"an edge grid has at most {limit} cells a side, not {columns}x{rows}")
    if np.count_nonzero(edges.grid) > MAX_SET:
        raise UsageError(f"an edge map has at most {MAX_SET} set cells; thin its lines")
    if base is not None and base != halve(edges):
        raise UsageError("a finer edge map must halve to the map that it refines")
    state, data = start_writing(rows * columns)
    cells = _empty_cells(rows, columns)
    cells[REACH_UP:, REACH_ACROSS:-REACH_ACROSS] = edges.grid
    _code(state, data, cells, None if base is None else base.grid, MAX_SET, halved=halved)
    return _size_to_bytes((columns, rows), edges.canvas, base, halved=halved) + finish_writing(state, data)


def decode_edges(
    payload: bytes, canvas: Size, *, base: EdgeMap | None = None, cut: bool = False, limit: int = MAX_SET
) -> EdgeMap:
    """Decode an edge map.

    Args:
        payload: from `encode_edges`, or the beginning of one.
        canvas: (width, height) of the picture, in pixels.
        base: the previous edge map of the stream, if any.
        cut: bytes are missing at the end; incomplete rows are those of the base, or empty.
        limit: largest allowed number of set cells.

    Raises:
        BitstreamError: the grid size is missing or out of bounds, the map that a finer map refines is missing, or more
            than `limit` cells are set.
    """
    (columns, rows), used = _size_from_bytes(payload, canvas, base)
    coarse = base.grid if base is not None and payload[0] & _FINER else None
    state, data = start_reading(payload[used:], cut=cut)
    cells = _empty_cells(rows, columns)
    certain = _code(state, data, cells, coarse, min(limit, MAX_SET), halved=is_halved(payload))
    if certain < 0:
        raise BitstreamError("an edge map has more set cells than allowed")
    grid = cells[REACH_UP:, REACH_ACROSS:-REACH_ACROSS] > 0
    grid[certain:] = False
    if coarse is not None and certain < rows:
        certain -= certain % 2
        grid[certain:] = np.repeat(np.repeat(coarse, 2, axis=0), 2, axis=1)[certain:rows, :columns]
    return EdgeMap(np.ascontiguousarray(grid), canvas)


def halve(edges: EdgeMap) -> EdgeMap:
    """Return the map on a grid half as fine: a cell is set if any of its four cells is."""
    rows, columns = edges.grid.shape
    even = np.pad(edges.grid, ((0, rows % 2), (0, columns % 2)))
    halved = even[::2, ::2] | even[1::2, ::2] | even[::2, 1::2] | even[1::2, 1::2]
    return EdgeMap(halved, edges.canvas)


def _size_to_bytes(size: Size, canvas: Size, base: EdgeMap | None, *, halved: bool) -> bytes:
    flags = _HALVED if halved else 0
    if base is not None:
        return bytes([flags | _FINER | (size[1] & 1) << 1 | size[0] & 1])
    longest = max(size)
    if grid_size(canvas, longest) != size:
        return bytes([flags | _EXPLICIT, size[0] - 1, size[1] - 1])
    if longest % SIDE_STEP:
        return bytes([flags | _EXPLICIT | _LONG_SIDE, longest - 1])
    return bytes([flags | longest // SIDE_STEP - 1])


def _size_from_bytes(payload: bytes, canvas: Size, base: EdgeMap | None) -> tuple[Size, int]:
    """Return (columns, rows) of the grid, and the number of bytes that encode it."""
    size, used = _read_size(payload, canvas, base)
    if is_halved(payload) and max(size) > MAX_HALVED_SIDE:
        raise BitstreamError("an edge section with a halved map is out of bounds")
    return size, used


def _read_size(payload: bytes, canvas: Size, base: EdgeMap | None) -> tuple[Size, int]:
    if not payload:
        raise BitstreamError("an edge section is empty")
    flags, size = payload[0] & ~_SIZE_MASK, payload[0] & _SIZE_MASK
    if flags & _FINER:
        if base is None:
            raise BitstreamError("an edge section refines a map that is not in the stream before it")
        rows, columns = base.grid.shape
        finer = 2 * columns - (size & 1), 2 * rows - (size >> 1)
        if flags & _EXPLICIT or size > 3 or max(finer) > MAX_SIDE:
            raise BitstreamError("an edge section refines a map to a grid that is out of bounds")
        return finer, 1
    if not flags & _EXPLICIT:
        return grid_size(canvas, (size + 1) * SIDE_STEP), 1
    if size > _LONG_SIDE or len(payload) < 3 - size:
        raise BitstreamError("an edge section does not start with the size of its grid")
    if size == _LONG_SIDE:
        return grid_size(canvas, payload[1] + 1), 2
    return (payload[1] + 1, payload[2] + 1), 3


def is_halved(payload: bytes) -> bool:
    """Return whether the map of a payload was made by halving a finer one."""
    return bool(payload and payload[0] & _HALVED)


def coded_cells(payload: bytes, canvas: Size, base: EdgeMap | None) -> int:
    """Return the number of coded cells: all cells of the grid, or in a finer map those within set cells.

    Raises:
        BitstreamError: the grid size is missing or out of bounds, or the map to refine is missing.
    """
    (columns, rows), _ = _size_from_bytes(payload, canvas, base)
    if base is None or not payload[0] & _FINER:
        return rows * columns
    return 4 * int(np.count_nonzero(base.grid))


def _empty_cells(rows: int, columns: int) -> NDArray[np.uint8]:
    return np.zeros((rows + REACH_UP, columns + 2 * REACH_ACROSS), np.uint8)


def _code(
    state: NDArray[np.int64],
    data: NDArray[np.uint8],
    cells: NDArray[np.uint8],
    coarse: NDArray[np.bool_] | None,
    limit: int,
    *,
    halved: bool,
) -> int:
    rows, columns = cells.shape[0] - REACH_UP, cells.shape[1] - 2 * REACH_ACROSS
    network = load_network(coarse is not None)
    squash, _ = logistic_tables()
    around = np.pad(np.zeros((0, 0), np.uint8) if coarse is None else coarse.astype(np.uint8), REACH_COARSE)
    certain = code_cells(
        state,
        data,
        cells,
        around,
        coarse is not None,
        grid_kind(rows, columns, halved=halved),
        empty_windows(rows, columns),
        limit,
        network,
        squash,
    )
    return int(certain)
