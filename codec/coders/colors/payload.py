"""Colour map <-> payload: cells in steps of equal visible size, coded with the predictions of trained networks.

Payload: the grid's size and the step, then cells in reading order. A cut payload decodes to the rows that arrived
completely; the last of them is repeated below.

    1 byte    FINER, EXPLICIT, step (2 bits), cell side / 16 - 1 (4 bits)
    0, 2      EXPLICIT: columns - 1, rows - 1
    rest      arithmetic-coded levels

A FINER map doubles the map before it in the stream, which must have the same step.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from codec.coders.colors.candidates import find_candidates
from codec.coders.colors.levels import code_levels
from codec.coders.colors.model import MAX_DIFFERENCE, REACH, STEP_TENTHS, ColorNetwork, load_color_table, load_network
from codec.coders.colors.rate_distortion import choose_levels
from codec.coders.entropy import bit_costs, finish_writing, logistic_tables, start_reading, start_writing
from codec.layers import ColorMap, Size
from layercast_common.errors import BitstreamError, UsageError

#: Most cells on a side.
MAX_SIDE = 64

#: Default step, an index of `STEP_TENTHS`.
STEP = 1

_EXPLICIT = 0x80
_FINER = 0x40
_STEP_SHIFT = 4
_CELL_STEP = 16

#: Placeholder for the coarse levels if no map is refined.
_NO_LEVELS = np.zeros((1, 1, 3), np.int32)


@dataclass(frozen=True, slots=True)
class Levels:
    """A quantised colour map.

    Attributes:
        levels: (rows, columns, 3) int32.
        step: index of `STEP_TENTHS`.
        canvas: (width, height) of the picture, in pixels.
    """

    levels: NDArray[np.int32]
    step: int
    canvas: Size

    def to_map(self) -> ColorMap:
        """Return the colours of the levels; levels outside the table take the nearest colour."""
        table = load_color_table(self.step)
        return ColorMap(table.colors[tuple(np.moveaxis(table.indices_of(self.levels), -1, 0))], self.canvas)


def encode_colors(colors: ColorMap, step: int = STEP, base: Levels | None = None) -> bytes:
    """Encode a colour map.

    Args:
        colors: the map.
        step: index of `STEP_TENTHS`.
        base: the map that the decoder already has, on a grid half as fine; None without one.

    Raises:
        UsageError: a side is over `MAX_SIDE` cells, the step does not exist, or the base has another size or step.
    """
    rows, columns = colors.colors.shape[:2]
    if max(rows, columns) > MAX_SIDE or not 0 <= step < len(STEP_TENTHS):
        raise UsageError(f"a colour map has at most {MAX_SIDE} cells a side, and a step of 0 to {len(STEP_TENTHS) - 1}")
    if base is not None and (base.step != step or not _refines((columns, rows), base)):
        raise UsageError("a finer colour map must have twice the cells, and the step, of the map that it refines")
    levels = quantize(colors.colors, None if base is None else base.levels, step, load_network(base is not None))
    state, data = start_writing(levels.size * (2 * REACH + MAX_DIFFERENCE))
    _code(state, data, levels, base, step)
    return _write_head((columns, rows), colors.canvas, step, finer=base is not None) + finish_writing(state, data)


def decode_colors(payload: bytes, canvas: Size, *, base: Levels | None = None, cut: bool = False) -> Levels:
    """Decode a colour map.

    Args:
        payload: from `encode_colors`, or the beginning of one.
        canvas: (width, height) of the picture, in pixels.
        base: the previous colour map of the stream, if any.
        cut: bytes are missing at the end; incomplete rows are those of the base, or repeat the last complete row.

    Raises:
        BitstreamError: the size is missing or out of bounds, the map that a finer map refines is missing, or no row
            arrived completely.
    """
    (columns, rows), step, finer, used = _read_head(payload, canvas)
    if finer and (base is None or base.step != step or not _refines((columns, rows), base)):
        raise BitstreamError("a colour section refines a map that is not in the stream before it")
    levels = np.zeros((rows, columns, 3), np.int32)
    state, data = start_reading(payload[used:], cut=cut)
    certain = _code(state, data, levels, base if finer else None, step)
    if finer and base is not None:
        levels[certain:] = np.repeat(np.repeat(base.levels, 2, axis=0), 2, axis=1)[certain:rows, :columns]
    elif certain < rows:
        if not certain:
            raise BitstreamError("no complete row of the colour section arrived")
        levels[certain:] = levels[certain - 1]
    return Levels(levels, step, canvas)


def coded_cells(payload: bytes, canvas: Size) -> int:
    """Return the number of cells of a payload.

    Raises:
        BitstreamError: the size is missing or out of bounds.
    """
    (columns, rows), *_ = _read_head(payload, canvas)
    return rows * columns


def _refines(size: Size, base: Levels) -> bool:
    return base.levels.shape[:2] == (-(-size[1] // 2), -(-size[0] // 2))


def _write_head(size: Size, canvas: Size, step: int, *, finer: bool) -> bytes:
    flags = step << _STEP_SHIFT | (_FINER if finer else 0)
    for cell in range(_CELL_STEP, 17 * _CELL_STEP, _CELL_STEP):
        if _grid_size(canvas, cell) == size:
            return bytes([flags | cell // _CELL_STEP - 1])
    return bytes([flags | _EXPLICIT, size[0] - 1, size[1] - 1])


def _read_head(payload: bytes, canvas: Size) -> tuple[Size, int, bool, int]:
    if not payload:
        raise BitstreamError("a colour section is empty")
    step = payload[0] >> _STEP_SHIFT & 3
    size, used = _grid_size(canvas, ((payload[0] & 15) + 1) * _CELL_STEP), 1
    if payload[0] & _EXPLICIT:
        if len(payload) < 3:
            raise BitstreamError("a colour section stops before its size")
        size, used = (payload[1] + 1, payload[2] + 1), 3
    if max(size) > MAX_SIDE or step >= len(STEP_TENTHS):
        raise BitstreamError(f"a colour section has {size[0]}x{size[1]} cells of step {step}, which is out of bounds")
    return size, step, bool(payload[0] & _FINER), used


def _grid_size(canvas: Size, cell: int) -> Size:
    return max(1, round(canvas[0] / cell)), max(1, round(canvas[1] / cell))


def quantize(
    colors: NDArray[np.uint8], coarse: NDArray[np.int32] | None, step: int, network: ColorNetwork
) -> NDArray[np.int32]:
    """Choose the levels of colours by rate and distortion.

    Args:
        colors: (rows, columns, 3) uint8 RGB.
        coarse: the levels of the map that is refined, if any.
        step: index of `STEP_TENTHS`.
        network: the networks that predict the levels.
    """
    levels = np.zeros(colors.shape, np.int32)
    candidates = find_candidates(colors, step)
    squash, _ = logistic_tables()
    choose_levels(
        levels,
        _NO_LEVELS if coarse is None else coarse,
        coarse is not None,
        step,
        candidates.levels,
        candidates.distances,
        network,
        squash,
        bit_costs(),
    )
    return levels


def _code(
    state: NDArray[np.int64], data: NDArray[np.uint8], levels: NDArray[np.int32], base: Levels | None, step: int
) -> int:
    squash, _ = logistic_tables()
    finer = base is not None
    coarse = _NO_LEVELS if base is None else base.levels
    return int(code_levels(state, data, levels, coarse, finer, step, load_network(finer), squash))
