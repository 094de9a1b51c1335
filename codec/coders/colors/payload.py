"""Colour map <-> payload: cells in steps of equal visible size, coded by what trained networks expect.

Payload: the grid's size and the step, then cells in reading order. A cut payload gives the rows that came, and repeats
the last of them below.

    1 byte    FINER, EXPLICIT, step (2 bits), cell side / 16 - 1 (4 bits)
    0, 2      EXPLICIT: columns - 1, rows - 1
    rest      arithmetic-coded levels

A map that is FINER doubles the map before it in the stream, which must have the same step.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from codec.coders.colors.candidates import propose_levels
from codec.coders.colors.levels import code_levels
from codec.coders.colors.model import FARTHEST, REACH, TENTHS, Predictor, load_predictor, load_shades
from codec.coders.colors.rate_distortion import choose_levels
from codec.coders.entropy import bit_costs, finish_writing, logistic_tables, start_reading, start_writing
from codec.layers import ColorMap, Size
from layercast_common.errors import BitstreamError, UsageError

#: Most cells on a side.
MAX_SIDE = 64

#: The step, an index of `TENTHS`, that is used unless another is asked for.
STEP = 1

_EXPLICIT = 0x80
_FINER = 0x40
_STEP_SHIFT = 4
_CELL_STEP = 16

#: Where no map is refined.
_NO_LEVELS = np.zeros((1, 1, 3), np.int32)


@dataclass(frozen=True, slots=True)
class Levels:
    """A colour map as it is coded.

    Attributes:
        levels: (rows, columns, 3) int32.
        step: index of `TENTHS`.
        canvas: (width, height) of the picture, in pixels.
    """

    levels: NDArray[np.int32]
    step: int
    canvas: Size

    def to_map(self) -> ColorMap:
        """The colours that the levels stand for; levels that stand for none take the nearest that do."""
        shades = load_shades(self.step)
        return ColorMap(shades.colors[tuple(np.moveaxis(shades.place(self.levels), -1, 0))], self.canvas)


def encode_colors(colors: ColorMap, step: int = STEP, base: Levels | None = None) -> bytes:
    """Code a colour map.

    Args:
        colors: the map.
        step: index of `TENTHS`.
        base: the map that the decoder has already, on a grid half as fine; None if it has none.

    Raises:
        UsageError: a side is over `MAX_SIDE` cells, there is no such step, or the base is of another size or step.
    """
    rows, columns = colors.colors.shape[:2]
    if max(rows, columns) > MAX_SIDE or not 0 <= step < len(TENTHS):
        raise UsageError(f"a colour map has at most {MAX_SIDE} cells a side, and a step of 0 to {len(TENTHS) - 1}")
    if base is not None and (base.step != step or not _refines((columns, rows), base)):
        raise UsageError("a finer colour map must have twice the cells, and the step, of the map that it refines")
    levels = choose(colors.colors, None if base is None else base.levels, step, load_predictor(base is not None))
    state, data = start_writing(levels.size * (2 * REACH + FARTHEST))
    _run(state, data, levels, base, step)
    return _head((columns, rows), colors.canvas, step, finer=base is not None) + finish_writing(state, data)


def decode_colors(payload: bytes, canvas: Size, *, base: Levels | None = None, cut: bool = False) -> Levels:
    """Decode a colour map.

    Args:
        payload: as `encode_colors` made it, or the beginning of it.
        canvas: (width, height) of the picture, in pixels.
        base: the map that the stream had before.
        cut: whether bytes are missing at the end; then the rows that did not come whole are the base's, or as the last
            that did.

    Raises:
        BitstreamError: the payload has no size, or refines a map that is not there, or no whole row came.
    """
    (columns, rows), step, finer, used = _read_head(payload, canvas)
    if finer and (base is None or base.step != step or not _refines((columns, rows), base)):
        raise BitstreamError("a colour section refines a map that did not come before it")
    levels = np.zeros((rows, columns, 3), np.int32)
    state, data = start_reading(payload[used:], cut=cut)
    sound = _run(state, data, levels, base if finer else None, step)
    if finer and base is not None:
        levels[sound:] = np.repeat(np.repeat(base.levels, 2, axis=0), 2, axis=1)[sound:rows, :columns]
    elif sound < rows:
        if not sound:
            raise BitstreamError("not one row of the colour section came")
        levels[sound:] = levels[sound - 1]
    return Levels(levels, step, canvas)


def coded_cells(payload: bytes, canvas: Size) -> int:
    """How many cells a payload codes.

    Raises:
        BitstreamError: the payload has no size.
    """
    (columns, rows), *_ = _read_head(payload, canvas)
    return rows * columns


def _refines(size: Size, base: Levels) -> bool:
    return base.levels.shape[:2] == (-(-size[1] // 2), -(-size[0] // 2))


def _head(size: Size, canvas: Size, step: int, *, finer: bool) -> bytes:
    flags = step << _STEP_SHIFT | (_FINER if finer else 0)
    for cell in range(_CELL_STEP, 17 * _CELL_STEP, _CELL_STEP):
        if _grid(canvas, cell) == size:
            return bytes([flags | cell // _CELL_STEP - 1])
    return bytes([flags | _EXPLICIT, size[0] - 1, size[1] - 1])


def _read_head(payload: bytes, canvas: Size) -> tuple[Size, int, bool, int]:
    if not payload:
        raise BitstreamError("a colour section is empty")
    step = payload[0] >> _STEP_SHIFT & 3
    size, used = _grid(canvas, ((payload[0] & 15) + 1) * _CELL_STEP), 1
    if payload[0] & _EXPLICIT:
        if len(payload) < 3:
            raise BitstreamError("a colour section stops before its size")
        size, used = (payload[1] + 1, payload[2] + 1), 3
    if max(size) > MAX_SIDE or step >= len(TENTHS):
        raise BitstreamError(f"a colour section has {size[0]}x{size[1]} cells of step {step}, which is out of bounds")
    return size, step, bool(payload[0] & _FINER), used


def _grid(canvas: Size, cell: int) -> Size:
    return max(1, round(canvas[0] / cell)), max(1, round(canvas[1] / cell))


def choose(
    colors: NDArray[np.uint8], coarse: NDArray[np.int32] | None, step: int, predictor: Predictor
) -> NDArray[np.int32]:
    """The levels to code for colours.

    Args:
        colors: (rows, columns, 3) uint8 RGB.
        coarse: the levels of the map that is refined, if there is one.
        step: index of `TENTHS`.
        predictor: the networks that will code them.
    """
    levels = np.zeros(colors.shape, np.int32)
    proposals = propose_levels(colors, step)
    squash, _ = logistic_tables()
    choose_levels(
        levels,
        _NO_LEVELS if coarse is None else coarse,
        coarse is not None,
        step,
        proposals.levels,
        proposals.looks,
        predictor,
        squash,
        bit_costs(),
    )
    return levels


def _run(
    state: NDArray[np.int64], data: NDArray[np.uint8], levels: NDArray[np.int32], base: Levels | None, step: int
) -> int:
    squash, _ = logistic_tables()
    finer = base is not None
    coarse = _NO_LEVELS if base is None else base.levels
    return int(code_levels(state, data, levels, coarse, finer, step, load_predictor(finer), squash))
