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

from codec.coders.shades import (
    FARTHEST,
    NODES,
    REACH,
    STEPS,
    gather_inputs,
    load_predictor,
    load_shades,
    predict_nodes,
)
from codec.entropy import (
    LOGISTIC_BOUND,
    READING,
    UNSURE,
    code_bit,
    compiled,
    finish_writing,
    logistic_tables,
    start_reading,
    start_writing,
)
from codec.layers import ColorMap, Size
from codec.perception import bend, ciede2000, to_lab
from layercast_errors import BitstreamError, UsageError

#: Most cells on a side.
MAX_SIDE = 64

#: The step, an index of `STEPS`, that is used unless another is asked for.
STEP = 1

#: What a bit is worth when a cell's levels are chosen, in CIEDE2000.
BIT_WORTH = 0.65

_EXPLICIT = 0x80
_FINER = 0x40
_STEP_SHIFT = 4
_CELL_STEP = 16

#: How fast the learnt corrections of the networks move.
_RATE = 3


@dataclass(frozen=True, slots=True)
class Levels:
    """A colour map as it is coded.

    Attributes:
        levels: (rows, columns, 3) int32.
        step: index of `STEPS`.
        canvas: (width, height) of the picture, in pixels.
    """

    levels: NDArray[np.int32]
    step: int
    canvas: Size

    def to_map(self) -> ColorMap:
        """The colours that the levels stand for; levels that stand for none take the nearest that do."""
        shades = load_shades(self.step)
        index = np.clip(self.levels + shades.origin, 0, np.array(shades.colors.shape[:3]) - 1)
        return ColorMap(shades.colors[index[..., 0], index[..., 1], index[..., 2]], self.canvas)


def encode_colors(colors: ColorMap, step: int = STEP, base: Levels | None = None) -> bytes:
    """Code a colour map.

    Args:
        colors: the map.
        step: index of `STEPS`.
        base: the map that the decoder has already, on a grid half as fine; None if it has none.

    Raises:
        UsageError: a side is over `MAX_SIDE` cells, there is no such step, or the base is of another size or step.
    """
    rows, columns = colors.colors.shape[:2]
    if max(rows, columns) > MAX_SIDE or not 0 <= step < len(STEPS):
        raise UsageError(f"a colour map has at most {MAX_SIDE} cells a side, and a step of 0 to {len(STEPS) - 1}")
    if base is not None and (base.step != step or not _refines((columns, rows), base)):
        raise UsageError("a finer colour map must have twice the cells, and the step, of the map that it refines")
    lab = to_lab(colors.colors)
    ideal = bend(colors.colors) / STEPS[step]
    # The levels next to the true one, of which the coder takes those that look right for few bits.
    nearest = np.round(ideal).astype(np.int32)
    other = nearest + np.where(ideal > nearest, 1, -1).astype(np.int32)
    choices = np.stack([nearest, other], axis=-1)
    picks = np.array([[x >> 2 & 1, x >> 1 & 1, x & 1] for x in range(8)])
    triples = np.stack([choices[:, :, plane][:, :, picks[:, plane]] for plane in range(3)], axis=-1)
    candidates = [Levels(triples[:, :, pick], step, colors.canvas).to_map().colors for pick in range(8)]
    looks = np.stack([ciede2000(lab, to_lab(candidate)) for candidate in candidates], axis=-1)
    levels = np.ascontiguousarray(nearest)
    state, data = start_writing(levels.size * (2 * REACH + FARTHEST))
    _run(state, data, levels, base, step, triples.astype(np.int32), looks)
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
    nothing = np.zeros((1, 1, 8, 3), np.int32), np.zeros((1, 1, 8))
    sound = _run(state, data, levels, base if finer else None, step, *nothing)
    if finer and base is not None:
        levels[sound:] = np.repeat(np.repeat(base.levels, 2, axis=0), 2, axis=1)[sound:rows, :columns]
    elif sound < rows:
        if not sound:
            raise BitstreamError("not one row of the colour section came")
        levels[sound:] = levels[sound - 1]
    return Levels(levels, step, canvas)


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
    if max(size) > MAX_SIDE or step >= len(STEPS):
        raise BitstreamError(f"a colour section has {size[0]}x{size[1]} cells of step {step}, which is out of bounds")
    return size, step, bool(payload[0] & _FINER), used


def _grid(canvas: Size, cell: int) -> Size:
    return max(1, round(canvas[0] / cell)), max(1, round(canvas[1] / cell))


def _run(
    state: NDArray[np.int64],
    data: NDArray[np.uint8],
    levels: NDArray[np.int32],
    base: Levels | None,
    step: int,
    triples: NDArray[np.int32],
    looks: NDArray[np.float64],
) -> int:
    predictor = load_predictor(base is not None)
    squash, _ = logistic_tables()
    sound = _code_levels(
        state,
        data,
        levels,
        np.zeros((1, 1, 3), np.int32) if base is None else base.levels,
        base is not None,
        step,
        triples,
        looks,
        BIT_WORTH,
        predictor.first,
        predictor.first_bias,
        predictor.second,
        predictor.second_bias,
        predictor.third,
        predictor.third_bias,
        squash,
    )
    return int(sound)


@compiled
def _code_difference(
    state: NDArray[np.int64],
    data: NDArray[np.uint8],
    difference: int,
    values: NDArray[np.int32],
    shifts: NDArray[np.int64],
    squash: NDArray[np.int32],
) -> int:
    """Code one difference node by node; `shifts` are the learnt corrections of its nodes."""
    size = 0
    negative = 0
    node = 0
    while True:
        asked = difference < 0 if node == 1 else abs(difference) > size
        value = values[node] + (shifts[node] >> 8)
        probability = squash[max(-LOGISTIC_BOUND, min(LOGISTIC_BOUND, value)) + LOGISTIC_BOUND]
        bit = code_bit(state, data, 1 if asked else 0, probability)
        shifts[node] += ((bit << 16) - probability) * _RATE >> 6
        if node == 1:
            negative = bit
        else:
            size += bit
            if not bit or size >= FARTHEST:
                return -size if negative else size
        node = 1 if node == 0 else 1 + min(size, REACH) + (REACH if negative else 0)


@compiled
def _bits_of(difference: int, values: NDArray[np.int32], squash: NDArray[np.int32]) -> float:
    """What a difference would cost, in bits."""
    size = abs(difference)
    total = 0.0
    for at in range(min(size, REACH) + 1):
        node = 0 if at == 0 else 1 + at + (REACH if difference < 0 else 0)
        chance = squash[values[node] + LOGISTIC_BOUND] / 65536.0
        total -= np.log2(chance if size > at else 1 - chance)
    if size:
        chance = squash[values[1] + LOGISTIC_BOUND] / 65536.0
        total -= np.log2(chance if difference < 0 else 1 - chance)
    return total


@compiled
def _code_levels(
    state: NDArray[np.int64],
    data: NDArray[np.uint8],
    levels: NDArray[np.int32],
    coarse: NDArray[np.int32],
    finer: bool,
    step: int,
    triples: NDArray[np.int32],
    looks: NDArray[np.float64],
    bit_worth: float,
    first: NDArray[np.int32],
    first_bias: NDArray[np.int32],
    second: NDArray[np.int32],
    second_bias: NDArray[np.int32],
    third: NDArray[np.int32],
    third_bias: NDArray[np.int64],
    squash: NDArray[np.int32],
) -> int:
    """Code every level in reading order; return the number of rows before the first unsure bit.

    Writing, each cell takes one of its `triples` of levels: the one of which the look (a difference to the true colour)
    and the bits together are least. Floats choose, but do not code.
    """
    values = np.zeros(NODES, np.int32)
    shifts = np.zeros((3, NODES), np.int64)
    inputs = np.zeros(first.shape[1], np.int32)
    costs = np.zeros(8)
    sound = 0
    for row in range(levels.shape[0]):
        for column in range(levels.shape[1]):
            if not state[READING]:
                # Levels depend on those coded before them in the same cell, hence the nodes of a tree of choices.
                costs[:] = 0
                for plane in range(3):
                    for pick in range(8):
                        group = pick >> (3 - plane)
                        if pick != group << (3 - plane):
                            continue
                        for earlier in range(plane):
                            levels[row, column, earlier] = triples[row, column, pick, earlier]
                        guess = gather_inputs(levels, coarse, finer, row, column, plane, step, inputs)
                        predict_nodes(
                            inputs,
                            first[plane],
                            first_bias[plane],
                            second[plane],
                            second_bias[plane],
                            third[plane],
                            third_bias[plane],
                            values,
                        )
                        for chosen in range(pick, pick + (8 >> plane)):
                            costs[chosen] += _bits_of(triples[row, column, chosen, plane] - guess, values, squash)
                best = np.argmin(looks[row, column] + costs * bit_worth)
                levels[row, column] = triples[row, column, best]
            for plane in range(3):
                guess = gather_inputs(levels, coarse, finer, row, column, plane, step, inputs)
                predict_nodes(
                    inputs,
                    first[plane],
                    first_bias[plane],
                    second[plane],
                    second_bias[plane],
                    third[plane],
                    third_bias[plane],
                    values,
                )
                difference = levels[row, column, plane] - guess
                levels[row, column, plane] = guess + _code_difference(
                    state, data, difference, values, shifts[plane], squash
                )
        if state[UNSURE]:
            break
        sound += 1
    return sound
