"""Colour map <-> payload: luma and two chromas in steps that the eye tells apart, each cell predicted from its
neighbours.

Payload: the grid's size, the step, then cells in reading order. A cut payload gives the rows that came, and repeats
the last of them below.
"""

import numpy as np
from numpy.typing import NDArray

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
from codec.layers import ColorMap, Size
from layercast_errors import BitstreamError, UsageError

#: Most cells on a side.
MAX_SIDE = 64

#: Steps of luma; those of the chromas are in proportion.
STEPS = (8, 10, 12, 14, 16, 18, 20, 24)

#: The step that is used unless another is asked for.
STEP = 14

_CONTEXTS = 3
_NODES = 128
_CHROMA_RATIO = 5, 4


def encode_colors(colors: ColorMap, step: int = STEP) -> bytes:
    """Code a colour map.

    Args:
        colors: the map.
        step: of luma, one of `STEPS`.

    Raises:
        UsageError: a side is over `MAX_SIDE` cells, or the step is none of `STEPS`.
    """
    rows, columns = colors.colors.shape[:2]
    if max(rows, columns) > MAX_SIDE or step not in STEPS:
        raise UsageError(f"a colour map has at most {MAX_SIDE} cells a side and a step of {STEPS}")
    levels = _to_levels(colors.colors, step)
    state, data = start_writing(levels.size * _NODES)
    _run(state, data, levels)
    return bytes([(rows - 1) | (STEPS.index(step) & 3) << 6, (columns - 1) | (STEPS.index(step) >> 2) << 6]) + (
        finish_writing(state, data)
    )


def decode_colors(payload: bytes, canvas: Size, *, cut: bool = False) -> ColorMap:
    """Decode a colour map.

    Args:
        payload: as `encode_colors` made it, or the beginning of it.
        canvas: (width, height) of the picture, in pixels.
        cut: whether bytes are missing at the end; then the last row that came whole stands for those below.

    Raises:
        BitstreamError: the payload has no size, or no whole row came.
    """
    if len(payload) < 2 or payload[1] >> 6 > 1:
        raise BitstreamError("a colour section does not start with a size and a step")
    rows, columns = (payload[0] & 63) + 1, (payload[1] & 63) + 1
    step = STEPS[payload[0] >> 6 | (payload[1] >> 6) << 2]
    levels = np.zeros((rows, columns, 3), np.int32)
    state, data = start_reading(payload[2:], cut=cut)
    sound = _run(state, data, levels)
    if cut:
        if not sound:
            raise BitstreamError("not one row of the colour section came")
        levels[sound:] = levels[sound - 1]
    return ColorMap(_to_colors(levels, step), canvas)


def _to_levels(colors: NDArray[np.uint8], step: int) -> NDArray[np.int32]:
    red, green, blue = (colors[..., index].astype(np.int32) for index in range(3))
    luma = red + 2 * green + blue
    orange, leaf = red - blue, 2 * green - red - blue
    chroma = step * _CHROMA_RATIO[0]
    levels = [
        _divide(luma, 4 * step),
        _divide(orange * _CHROMA_RATIO[1], chroma),
        _divide(leaf * _CHROMA_RATIO[1], 2 * chroma),
    ]
    return np.stack(levels, axis=-1).astype(np.int32)


def _divide(value: NDArray[np.int32], by: int) -> NDArray[np.int32]:
    return (2 * value + by) // (2 * by)


def _to_colors(levels: NDArray[np.int32], step: int) -> NDArray[np.uint8]:
    luma = levels[..., 0] * 4 * step
    chroma = step * _CHROMA_RATIO[0]
    orange = levels[..., 1] * chroma // _CHROMA_RATIO[1]
    leaf = levels[..., 2] * 2 * chroma // _CHROMA_RATIO[1]
    green = luma + leaf >> 2
    both = luma - leaf >> 1
    red, blue = both + orange >> 1, both - orange >> 1
    return np.clip(np.stack([red, green, blue], axis=-1), 0, 255).astype(np.uint8)


def _run(state: NDArray[np.int64], data: NDArray[np.uint8], levels: NDArray[np.int32]) -> int:
    squash, stretch = logistic_tables()
    return _code_levels(state, data, levels, squash, stretch)


@compiled
def _code_levels(
    state: NDArray[np.int64],
    data: NDArray[np.uint8],
    levels: NDArray[np.int32],
    squash: NDArray[np.int32],
    stretch: NDArray[np.int32],
) -> int:
    """Code every level in reading order; return the number of rows before the first unsure bit."""
    odds = np.full((3, _CONTEXTS, 12, _NODES), 32768, np.int32)
    odds[:, :, :, 2:] = 26000
    weights = np.full((3, _CONTEXTS), 65536 // 2, np.int32)
    inputs = np.zeros(_CONTEXTS, np.int32)
    slots = np.zeros(_CONTEXTS, np.int64)
    sound = 0
    for row in range(levels.shape[0]):
        for column in range(levels.shape[1]):
            for plane in range(3):
                west = levels[row, column - 1, plane] if column else (levels[row - 1, column, plane] if row else 0)
                north = levels[row - 1, column, plane] if row else west
                corner = levels[row - 1, column - 1, plane] if row and column else north
                guess = max(min(west, north), min(max(west, north), west + north - corner))
                if not row and not column and plane == 0:
                    guess = 9
                slots[0] = 0
                slots[1] = min(abs(west - corner) + abs(north - corner), 11)
                slots[2] = (
                    min(max(levels[row, column, plane - 1] - (west if plane == 0 else 0), -5), 6) + 5 if plane else 11
                )
                rest = levels[row, column, plane] - guess
                # Nodes: 0 is it nought, 1 its sign, then its magnitude in unary.
                node, magnitude, negative = 0, 0, 0
                while True:
                    bit = 1 if node == 1 and rest < 0 else 0
                    if node == 0:
                        bit = 1 if rest else 0
                    if node > 1:
                        bit = 1 if abs(rest) > magnitude else 0
                    for index in range(_CONTEXTS):
                        inputs[index] = stretch[odds[plane, index, slots[index], node] >> 4]
                    mixed = mix(weights[plane], inputs, _CONTEXTS)
                    probability = squash[mixed + LOGISTIC_BOUND]
                    bit = code_bit(state, data, bit, probability)
                    learn(weights[plane], inputs, _CONTEXTS, (bit << 16) - probability, 3)
                    for index in range(_CONTEXTS):
                        odds[plane, index, slots[index], node] += (
                            bit * 65535 - odds[plane, index, slots[index], node]
                        ) >> 3
                    if node == 1:
                        negative = bit
                    if node == 0:
                        magnitude = bit
                    if node > 1:
                        magnitude += bit
                    if (node != 1 and not bit) or node == _NODES - 1:
                        break
                    node += 1
                levels[row, column, plane] = guess - magnitude if negative else guess + magnitude
        if state[UNSURE]:
            break
        sound += 1
    return sound
